// Drives the console in a real browser, as a person on call would; started by tests/it/browser.rs, which
// says in the environment where it is and what it holds. Fails by throwing.
"use strict";
const fs = require("node:fs");
const assert = require("node:assert/strict");
const { chromium } = require("playwright-core");

const { BASE, TOKEN, OUT, CALL, CALLER, PLANTED, PLANTED_CALL, SEEK, HOOK, CHROMIUM } = process.env;
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const complaints = [];

// Whose every call is, here.
const AGENT = "agent_01k6z9c2d4e6g8j0m2p4r6t8v0";

const watch = (page, where) => {
  // The machine may be busy with other tests.
  page.setDefaultTimeout(60_000);
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(`${where()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`${where()}: ${error.message}`));
  page.on("dialog", (dialog) => dialog.accept());
};

// No serious fault of access; the page as it looks is kept.
const check = async (page, name) => {
  await page.screenshot({ path: `${OUT}/${name}.png`, fullPage: true });
  const session = await page.context().newCDPSession(page);
  // The page's own policy allows no script but ours: the checker runs beside it.
  const { executionContextId } = await isolated(session);
  const run = async (expression) => {
    const answer = await session.send("Runtime.evaluate", {
      expression, contextId: executionContextId, awaitPromise: true, returnByValue: true,
    });
    assert.ok(!answer.exceptionDetails, JSON.stringify(answer.exceptionDetails));
    return answer.result.value;
  };
  await run(axe);
  const found = await run(`axe.run(document, { resultTypes: ["violations"] }).then((result) => result.violations
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => one.id + ": " + one.help + " at " + one.nodes.map((node) => node.target.join(" ")).join(", ")))`);
  await session.detach();
  assert.deepEqual(found, [], `${name}: axe-core`);
};

const isolated = async (session) => {
  const { frameTree } = await session.send("Page.getFrameTree");
  return session.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id, worldName: "axe" });
};

// Presses what leads elsewhere, and comes back once the page there is whole, its scripts included.
const follow = async (page, link, landed) => {
  await page.click(link);
  await page.waitForSelector(landed);
  await page.waitForLoadState();
};

// For the report of a failure: what was tried, and on which page.
let where = "log-in";
let page;

const main = async () => {
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, colorScheme: "light" });
  page = await context.newPage();
  watch(page, () => where);

  await page.goto(`${BASE}/console`);
  await check(page, "01-log-in");
  await page.fill("#token", TOKEN);
  await page.keyboard.press("Enter");
  await page.waitForSelector("h1:text('Overview')");
  await page.waitForLoadState();
  await check(page, "02-overview");

  where = "conversations";
  await follow(page, "nav a:text('Conversations')", "h1:text('Conversations')");
  await page.keyboard.press("/");
  await page.keyboard.type(CALLER);
  await page.waitForURL(/q=/);
  await page.waitForFunction(() => document.querySelectorAll("#results tbody tr").length === 1);
  await check(page, "03-conversations");
  await follow(page, "#results a.row", ".chain");

  where = "conversation";
  const chain = await page.locator(".chain strong").allTextContents();
  for (const step of ["Received", "Made durable", "Fetched", "Settled", "Remembered", "Announced"]) {
    assert.ok(chain.includes(step), `the chain has ${step}: ${chain}`);
  }
  const seek = page.locator("a.seek").first();
  assert.equal(await seek.getAttribute("data-seek"), SEEK);
  assert.ok((await seek.getAttribute("href")).endsWith(`#t=${SEEK}`));
  await seek.click();
  await page.waitForFunction((at) => {
    const player = document.getElementById("recording");
    return player.currentTime >= at && player.currentTime < at + 10;
  }, Number(SEEK));
  await page.evaluate(() => document.getElementById("recording").pause());
  assert.ok((await page.locator(".beside li").count()) > 0, "a fact beside its sentence");
  await check(page, "04-conversation");

  where = "caller";
  await follow(page, "text=What is remembered of this caller", "h2:text('What holds now')");
  await page.click("details.fact summary");
  await page.waitForSelector("details.fact[open] blockquote p");
  await check(page, "05-memory");
  await follow(page, "details.fact[open] blockquote a", ".turns li:target mark");
  assert.ok(page.url().includes(CALL));
  await follow(page, "nav a:text('Callers')", "h1:text('Callers')");
  await page.waitForSelector("#results tbody tr");
  await check(page, "06-callers");

  where = "a person's word";
  await page.goto(`${BASE}/console/callers/memory?agent_id=${AGENT}&caller_identity=${encodeURIComponent(CALLER)}`);
  await page.click("summary:has-text('Pin a fact')");
  await page.selectOption("select[name=slot]", "contact.city");
  await page.fill("input[name=value]", "Oakland");
  await check(page, "13-pin");
  await page.click("button:text('Pin it')");
  await page.waitForSelector("[role=status]:has-text('pinned')");
  await page.click("[aria-label='Refuse: Calls']");
  await page.waitForSelector("[aria-label='Grant: Calls']");
  await check(page, "14-changed");
  await follow(page, "text=Erase the caller", "h2:text('What will happen')");
  await check(page, "15-erase");
  await follow(page, "text=Leave it", "h2:text('What holds now')");
  await follow(page, "text=Forget what is remembered", "h1:text('Forget what')");
  await check(page, "16-forget");
  await page.click("button:text('Forget for good')");
  await page.waitForSelector("h2:has-text('Receipt')");
  await check(page, "17-receipt");

  // Whatever a caller or a platform wrote is text, on every page that shows it.
  const planted = encodeURIComponent(PLANTED);
  for (const path of [`/conversations/${PLANTED_CALL}`, "/conversations", "/callers",
    `/conversations?q=${planted}&end_reason=${planted}`,
    `/callers/memory?agent_id=${AGENT}&caller_identity=${planted}`,
    `/callers/erase?agent_id=${AGENT}&caller_identity=${planted}`]) {
    where = `planted ${path}`;
    await page.goto(`${BASE}/console${path}`);
    const shown = await page.evaluate((text) => {
      const fields = [...document.querySelectorAll("input")].map((input) => input.value);
      return document.body.textContent.includes(text) || fields.includes(text);
    }, PLANTED);
    assert.ok(shown || path === "/callers", `${where} shows it as text`);
    const ran = await page.evaluate(() => [window.planted, document.querySelectorAll("img, script:not([src])").length]);
    assert.deepEqual(ran, [undefined, 0], where);
    assert.ok(!(await page.content()).includes("62615533"), `${where}: a template was evaluated`);
  }

  where = "dead letters";
  await page.goto(`${BASE}/console`);
  await follow(page, "nav a:text('Dead letters')", "h1:text('Dead letters')");
  assert.match(await page.textContent("main h2"), /\d+ letters, 2 causes/);
  await check(page, "07-dead-letters");
  await follow(page, "a.cause >> nth=0", "text=What a replay would do");
  await follow(page, "table.rows a.row >> nth=0", "h2:text('Attempts')");
  await check(page, "08-dead-letter");
  await page.goBack();
  await follow(page, "text=What a replay would do", "h2:text('Let it run')");
  await check(page, "09-preview");

  where = "replay";
  // So slow that it is not over before a busy machine has looked at it.
  await page.fill("[name=rate]", "0.2");
  await page.fill("[name=canary]", "2");
  await follow(page, "button:text('Replay')", "#progress");
  // The page is renewed under who stands on the button, and leaves them there.
  await page.focus("#cancel");
  await page.waitForFunction(() => Number(document.querySelector("#progress")?.dataset.done) >= 2);
  assert.equal(await page.evaluate(() => document.activeElement.id), "cancel");
  await check(page, "10-replay");
  await page.click("#cancel");
  await page.waitForSelector("#status:text('cancelled')");
  await check(page, "11-cancelled");
  const replay = page.url().split("/").pop();

  where = "audit";
  await page.goto(`${BASE}/console/audit?target=${replay}`);
  const did = await page.locator("tbody .tag").allTextContents();
  assert.deepEqual(did, ["replay.cancel", "replay.create"]);
  await check(page, "12-audit");

  where = "endpoints";
  await follow(page, "nav a:text('Endpoints')", "h1:text('Endpoints')");
  await follow(page, "main a:text('Add an endpoint')", "h1:text('Add an endpoint')");
  await page.fill("[name=url]", HOOK);
  await page.fill("[name=description]", "The front desk's CRM");
  await page.fill("[name=headers]", "Authorization: Bearer of-the-crm");
  await check(page, "13-new-endpoint");
  await follow(page, "button:text('Add it')", "#secret");
  assert.match(await page.textContent("#secret"), /^whsec_/);
  await check(page, "14-secret");
  await follow(page, "a:text('To the endpoint')", "h2:text('Change it')");
  const endpoint = page.url().split("/").pop();
  await page.selectOption("form[action$=send-missed] select", "1h");
  await follow(page, "button:text('Send what was missed')", ".notice:has-text('deliver')");
  assert.match(await page.textContent(".notice"), /^[1-9]\d* deliver/);
  await check(page, "15-endpoint");
  await page.click("button:text('Send a test event')");
  await page.waitForSelector("h1:text('It took the test event')");
  await check(page, "16-tested");

  for (const name of ["replays", "endpoints", "deliveries", "coverage", "quarantine", "tokens"]) {
    where = name;
    const answer = await page.goto(`${BASE}/console/${name}`);
    assert.equal(answer.status(), 200, name);
    await check(page, `20-${name}`);
  }

  // The same on a phone, in the dark.
  const phone = await browser.newContext({
    viewport: { width: 390, height: 844 }, colorScheme: "dark", storageState: await context.storageState(),
  });
  const small = await phone.newPage();
  watch(small, () => where);
  const paths = ["", "/conversations", `/conversations/${CALL}`, "/callers", "/audit",
    `/callers/memory?agent_id=${AGENT}&caller_identity=${encodeURIComponent(CALLER)}`, "/dead-letters", `/replays/${replay}`,
    "/endpoints", "/endpoints/new", `/endpoints/${endpoint}`, "/deliveries", "/coverage", "/tokens"];
  for (const path of paths) {
    where = `phone ${path}`;
    await small.goto(`${BASE}/console${path}`);
    const wide = await small.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 390, `${where} is ${wide} wide`);
    await check(small, `30-phone${path.split("?")[0].replaceAll("/", "-")}`.slice(0, 40));
  }

  where = "log out";
  await page.goto(`${BASE}/console/tokens`);
  await page.click("button:text('Log out')");
  await page.waitForSelector("h1:text('Log in')");
  await page.goto(`${BASE}/console`);
  assert.ok(page.url().includes("/console/login"));
  await browser.close();
  assert.deepEqual(complaints, [], "no error on the browser's console");
};

main().then(() => process.exit(0), async (error) => {
  const shown = await page?.screenshot({ path: `${OUT}/failed.png`, fullPage: true }).catch(() => null);
  console.error(`${where}, at ${page?.url()}${shown ? ", as in failed.png" : ""}:`, error);
  process.exit(1);
});
