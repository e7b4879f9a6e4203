//! Templates of people who mean harm: each ends in an answer, soon and in bounds.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

#[track_caller]
fn refused(body: &str, why: &str) {
    let told = rendered(body).unwrap_err().to_string();
    assert!(told.contains(why), "{body}: {told}");
}

#[test]
fn nothing_hides_from_whoever_judges_it() {
    let doubles = "{% set a = [list, list] %}{% set b = [a, a] %}{{ b }}";
    for body in [
        format!("{{# {{{{ \" #}}{doubles}{{# \" }}}} #}}"),
        format!("{{#- {{% set x = ' -#}}{doubles}{{# ' %}} #}}"),
        format!("{{# }}}} #}}{{{{ \"{{#\" }}}}{doubles}{{{{ \"#}}\" }}}}"),
        format!("{{{{ \"}}}}\" }}}}{doubles}"),
        format!("{{{{ '\\'}}}}' }}}}{doubles}"),
        format!("{{{{ {{\"x\": {{\"y\": n}}}} }}}}{doubles}"),
        format!("{{{{ (n|int - 1) -}}}}{doubles}"),
        doubles.replace("{% set", "{%- set"),
        doubles.replace("%}", "-%}"),
        doubles
            .replace("[a, a]", "a, a")
            .replace("[list, list]", "list, list"),
        "{%- set a = list, list -%}{%- set b = a, a -%}{{ b }}".to_owned(),
        "{% with (a) = (list, list) %}{{ [a] }}{% endwith %}".to_owned(),
    ] {
        refused(&body, "puts what was made");
    }
    // A word that is an operator elsewhere is a variable here.
    for word in [
        "filter",
        "set",
        "if",
        "in",
        "is",
        "and",
        "or",
        "else",
        "recursive",
        "raw",
        "do",
        "with",
    ] {
        let body =
            format!("{{% set {word} = [list] %}}{{% set b = [{word}, {word}] %}}{{{{ b }}}}");
        assert!(rendered(&body).is_err(), "{body}");
    }
    for raw in ["raw", "- raw", "+raw -", " raw\n"] {
        let body =
            format!("{{%{raw}%}}{{{{ \" {{% endraw %}}{doubles}{{% raw %}} \" }}}}{{% endraw %}}");
        refused(&body, "raw block");
    }
}

#[test]
fn nothing_fills_lists_with_lists() {
    for body in [
        "{% set b = list|batch(90, list) %}{{ b }}",
        "{% set b = list|slice(90, list) %}{{ b }}",
        "{% set b = list|groupby('x', default=list) %}{{ b }}",
        "{% set b = list|map(attribute='x', default=list) %}{{ b }}",
        "{% set b = range(90)|map('default', list) %}{{ b }}",
        "{% set b = range(90)|map('default', [1]) %}{{ b }}",
        "{% set b = range(90)|map(*list) %}{{ b }}",
        "{% set b = range(90)|map(**list) %}{{ b }}",
        "{% set b = range(90)|map('map', 'd', list) %}{{ b }}",
        "{% set b = [list, list]|sum(start=list) %}{{ b }}",
        "{% filter map('d', list) %}x{% endfilter %}",
        "{{ list * 90000000 }}",
        "{{ 90000000 * list }}",
        "{{ (list * 90000000)|tojson }}",
        "{{ \"\" ~ list * 90000000 }}",
        "{{ 2 * \"x\"|list }}",
        "{{ list|list * 90000000 }}",
        "{{ list.0 * 90000000 }}",
        "{{ n|int(list) * 90000000 }}",
        "{{ 9 * n|int(list) }}",
        "{{ 9 * list[:1] }}",
        "{{ range(*list) }}",
    ] {
        assert!(rendered(body).is_err(), "{body}");
    }
    assert_eq!(
        rendered("{{ n|int * 60 }}").unwrap().as_deref(),
        Some("180")
    );
    assert_eq!(
        rendered("{{ 0.5 * n|float }}").unwrap().as_deref(),
        Some("1.5")
    );
    assert_eq!(
        rendered("{{ list|length * 2 ** 3 }}").unwrap().as_deref(),
        Some("16")
    );
    let names = "{{ list|map('upper')|join(', ') }}";
    assert_eq!(rendered(names).unwrap().as_deref(), Some("\"A, B\""));
    let missing = "{{ list|map(attribute='x', default='-')|list }}";
    assert_eq!(rendered(missing).unwrap().as_deref(), Some("[\"-\",\"-\"]"));
}

#[test]
fn a_large_event_makes_no_larger_body_than_may_be() {
    let said = "x".repeat(600_000);
    let context = json!({"said": said, "list": [said]});
    let over = |body: &str| rendered_over(&template(body, "application/json"), &context);
    assert!(over("{{ said }}").unwrap().is_some());
    for (body, why) in [
        ("{{ said }}{{ said }}".to_owned(), "makes more than"),
        (
            format!("{{{{ [{}] }}}}", "list, ".repeat(100)),
            "makes more than",
        ),
        (
            format!("{{{{ [{}]|tojson }}}}", "list, ".repeat(100)),
            "too many steps",
        ),
        (
            format!("{{{{ [{}] }}}}", "list, ".repeat(250)),
            "names too much",
        ),
    ] {
        let told = over(&body).unwrap_err().to_string();
        assert!(told.contains(why), "{told}");
    }
}

#[test]
fn what_is_deep_ends_in_an_answer() {
    let deep = |open: &str, within: &str, close: &str| {
        let count = (MAX_TEMPLATE - 100) / (open.len() + close.len()).max(1);
        format!("{}{within}{}", open.repeat(count), close.repeat(count))
    };
    for body in [
        format!("{{{{ {} }}}}", deep("not ", "1", "")),
        format!("{{{{ {} }}}}", deep("-", "1", "")),
        format!("{{{{ {} }}}}", deep("[", "1", "]")),
        format!("{{{{ 1{} }}}}", deep("|abs", "", "")),
        format!("{{{{ {}", deep("(", "", "")),
    ] {
        refused(&body, "tag over");
    }
    for (open, within, close) in [
        ("not ", "1", ""),
        ("-", "1", ""),
        ("a(", "1", ")"),
        ("(", "1", ")"),
        ("[", "1", "]"),
        ("{1:", "1", "}"),
        ("1 if 1 else ", "1", ""),
        ("", "1", "|abs"),
        ("", "n", ".a"),
        ("", "n", "[0]"),
        ("1~", "1", ""),
        ("1~", "n", ""),
        ("1 or ", "1", ""),
        ("n is not ", "none", ""),
    ] {
        let count = 3_900 / (open.len() + close.len());
        let tag = format!("{}{within}{}", open.repeat(count), close.repeat(count));
        drop(rendered(&format!("{{{{ {tag} }}}}")));
        drop(rendered(&format!("{{% set a = {tag} %}}{{{{ a }}}}")));
    }
    for (open, close) in [
        ("{% if 1 %}", "{% endif %}"),
        ("{% if 0 %}{% elif 0 %}", "{% endif %}"),
        ("{% for a in [1] %}", "{% endfor %}"),
        ("{% with a = 1 %}", "{% endwith %}"),
        ("{% filter upper %}", "{% endfilter %}"),
        ("{% set a %}", "{% endset %}"),
        ("{% autoescape false %}", "{% endautoescape %}"),
        (
            "{% if 1 %}{% for a in [1] %}{% set a %}",
            "{% endset %}{% endfor %}{% endif %}",
        ),
        ("{#", "#}"),
    ] {
        drop(rendered(&deep(open, "", close)));
        drop(rendered(&deep(open, "", "")));
    }
    drop(rendered(&format!(
        "{{% if 0 %}}{}{{% endif %}}",
        deep("{% elif 0 %}", "", "")
    )));
}

/// Expressions of what may stand in a template, harmless or not.
fn expression() -> impl Strategy<Value = String> {
    let leaf = select(vec![
        "a",
        "b",
        "if",
        "list",
        "said",
        "n",
        "none",
        "1",
        "'x'",
        "range(99)",
        "loop",
    ]);
    leaf.prop_map(str::to_owned)
        .prop_recursive(3, 12, 2, |inner| {
            let shapes = select(vec![
                "[X, Y]",
                "{'k': X, 'l': Y}",
                "(X, Y)",
                "X ~ Y",
                "X if Y else X",
                "X or Y",
                "X|list",
                "X * 99",
                "X|int * 99",
                "X == Y",
                "X in Y",
                "X|default(Y)",
                "X|map('default', Y)",
                "X|map(attribute='q', default=Y)",
                "X|batch(9, Y)",
                "X|groupby('q', default=Y)",
                "X|groupby('1')",
                "X|join(Y)",
                "X|tojson",
                "X|string",
                "X|items|list",
                "X|dictsort",
                "X|sort",
                "X|unique|list",
                "X|sum(start=Y)",
                "X|first",
                "X[0]",
                "X[:9]",
                "X|reverse",
                "X|select('in', Y)|list",
                "'%s%s'|format(X, Y)",
                "X|replace('x', Y)",
                "X|split('')",
                "loop(X)",
                "loop.cycle(X, Y)",
                "X|attr(Y)",
                "not X",
                "X is defined",
                "[*X, *Y]",
            ]);
            (shapes, inner.clone(), inner)
                .prop_map(|(shape, x, y)| shape.replace('X', &x).replace('Y', &y))
        })
}

fn statement() -> impl Strategy<Value = String> {
    let shapes = select(vec![
        "{% set V = X %}",
        "{%- set V = X, Y -%}",
        "{% set V %}{{ X }}{{ Y }}{% endset %}",
        "{{ X }}",
        "{% for V in X %}{% set b = [b, V] %}{{ Y }}{% endfor %}",
        "{# {{ \" #}",
        "{# \" }} #}",
        "{% for V in X recursive %}{{ loop(Y) }}{% endfor %}",
        "{% with V = X %}{{ Y }}{% endwith %}",
        "{% for V in X %}{% for if in Y %}{{ [V, if] }}{% endfor %}{% endfor %}",
        "{% raw %}",
        "{% set V, b = X, Y %}",
        "{% filter replace('x', X) %}{{ Y }}{% endfilter %}",
        "{{ \"",
        "{%",
    ]);
    let names = select(vec!["a", "b", "if", "list"]);
    (shapes, names, expression(), expression())
        .prop_map(|(shape, name, x, y)| shape.replace('V', name).replace('X', &x).replace('Y', &y))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// What doubled with each of so many steps would not end.
    #[test]
    fn whatever_is_put_together_ends_within_bounds(
        once in proptest::collection::vec(statement(), 1..4),
        times in 1_usize..30,
    ) {
        let mut body = once.concat().repeat(times);
        body.push_str("{{ a }}{{ b|tojson }}");
        if let Ok(Some(made)) = rendered(&body) {
            prop_assert!(made.len() <= MAX_BODY);
        }
    }
}
