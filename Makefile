# What a user runs. `make` alone tells.

CARGO ?= cargo
DENY_VERSION := 0.20.2
TOOLS := target/tools
DENY := $(TOOLS)/bin/cargo-deny
FUZZ_VERSION := 0.13.2
FUZZ := $(TOOLS)/bin/cargo-fuzz
# How long each of the four targets is searched.
FUZZ_SECONDS ?= 60

.DEFAULT_GOAL := help
.PHONY: help demo test chaos fuzz lint deny bench eval

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## the whole product on this machine, in under a minute
	$(CARGO) run --release --locked -- demo

test: lint deny ## install what the tests need, run all of them, leave nothing running
	@rm -f target/tmp/failures.md
	tests/services tests/clients $(CARGO) test --profile tests --locked

chaos: ## the failure suite with twenty thousand events a run, and its table
	@rm -f target/tmp/failures.md
	AFTERCALL_CHAOS_EVENTS=20000 tests/services $(CARGO) test --release --locked --test it -- failures::
	@cat target/tmp/failures.md

# The stable compiler will do. What is found stays under target/; what breaks something belongs into
# fuzz/corpus, which `make test` holds to.
fuzz: $(FUZZ)-$(FUZZ_VERSION) ## search for a header, body, room name or transcript that breaks something
	@for target in headers bodies rooms transcripts; do \
		mkdir -p target/fuzz/corpus/$$target && \
		PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run \
			--fuzz-dir fuzz --target-dir target/fuzz -s none -O -a $$target \
			$(CURDIR)/target/fuzz/corpus/$$target $(CURDIR)/fuzz/corpus/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 -max_len=65536 \
			|| exit 1; \
	done

lint: ## formatting, clippy and documentation, with warnings denied
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --features otlp -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" \
		$(CARGO) doc --locked --no-deps --document-private-items

deny: $(DENY)-$(DENY_VERSION) ## licences, banned crates and sources of every dependency
	$< deny --locked check bans licenses sources

eval: ## score the rules on our own calls, and on the development set beside the project
	$(CARGO) test --locked --test it -- eval:: --nocapture --test-threads 1

bench: ## measure; benches/README.md has the numbers
	$(CARGO) bench --locked

# One from the machine will do, if it is the same version.
$(DENY)-$(DENY_VERSION):
	@mkdir -p $(@D)
	@if [ "$$(cargo-deny --version 2>/dev/null)" = "cargo-deny $(DENY_VERSION)" ]; then \
		ln -sf "$$(command -v cargo-deny)" $@; \
	else \
		$(CARGO) install --locked --root $(TOOLS) --version $(DENY_VERSION) cargo-deny && mv $(DENY) $@; \
	fi

$(FUZZ)-$(FUZZ_VERSION):
	@mkdir -p $(@D)
	$(CARGO) install --locked --root $(TOOLS) --version $(FUZZ_VERSION) cargo-fuzz && mv $(FUZZ) $@ && cp $@ $(FUZZ)
