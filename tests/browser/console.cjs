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

const main = async () => {
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, colorScheme: "light" });
  const page = await context.newPage();
  let where = "log-in";
  watch(page, () => where);

  await page.goto(`${BASE}/console`);
  await check(page, "01-log-in");
  await page.fill("#token", TOKEN);
  await page.keyboard.press("Enter");
  await page.waitForSelector("h1:text('Overview')");
  await check(page, "02-overview");

  where = "conversations";
  await page.click("nav a:text('Conversations')");
  await page.keyboard.press("/");
  await page.keyboard.type(CALLER);
  await page.waitForURL(/q=/);
  await page.waitForFunction(() => document.querySelectorAll("#results tbody tr").length === 1);
  await check(page, "03-conversations");
  await page.click("#results a.row");
  await page.waitForSelector(".chain");

  where = "conversation";
  const chain = await page.locator(".chain strong").allTextContents();
  for (const step of ["Received", "Made durable", "Fetched", "Settled", "Remembered", "Delivered"]) {
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
  await page.click("text=What is remembered of this caller");
  await page.waitForSelector("h2:text('What holds now')");
  await page.click("details.fact summary");
  await page.waitForSelector("details.fact[open] blockquote p");
  await check(page, "05-memory");
  await page.click("details.fact[open] blockquote a");
  await page.waitForSelector(".turns li:target mark");
  assert.ok(page.url().includes(CALL));
  await page.click("nav a:text('Callers')");
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
  await page.click("text=Erase the caller");
  await page.waitForSelector("h2:text('What will happen')");
  await check(page, "15-erase");
  await page.click("text=Leave it");
  await page.click("text=Forget what is remembered");
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
  await page.click("nav a:text('Dead letters')");
  assert.match(await page.textContent("main h2"), /\d+ letters, 2 causes/);
  await check(page, "07-dead-letters");
  await page.click("a.cause >> nth=0");
  await page.click("table.rows a.row >> nth=0");
  await page.waitForSelector("h2:text('Attempts')");
  await check(page, "08-dead-letter");
  await page.goBack();
  await page.click("text=What a replay would do");
  await page.waitForSelector("h2:text('Let it run')");
  await check(page, "09-preview");

  where = "replay";
  await page.fill("[name=rate]", "1");
  await page.fill("[name=canary]", "2");
  await page.click("button:text('Replay')");
  await page.waitForSelector("progress");
  await page.waitForFunction(() => Number(document.querySelector("progress").value) >= 2);
  await check(page, "10-replay");
  await page.click("button:text('Cancel')");
  await page.waitForSelector("#status:text('cancelled')");
  await check(page, "11-cancelled");
  const replay = page.url().split("/").pop();

  where = "audit";
  await page.goto(`${BASE}/console/audit?target=${replay}`);
  const did = await page.locator("tbody .tag").allTextContents();
  assert.deepEqual(did, ["replay.cancel", "replay.create"]);
  await check(page, "12-audit");

  where = "endpoints";
  await page.click("nav a:text('Endpoints')");
  await page.click("main a:text('Add an endpoint')");
  await page.fill("[name=url]", HOOK);
  await page.fill("[name=description]", "The front desk's CRM");
  await page.fill("[name=headers]", "Authorization: Bearer of-the-crm");
  await check(page, "13-new-endpoint");
  await page.click("button:text('Add it')");
  assert.match(await page.textContent("#secret"), /^whsec_/);
  await check(page, "14-secret");
  await page.click("a:text('To the endpoint')");
  await page.waitForSelector("h2:text('Change it')");
  const endpoint = page.url().split("/").pop();
  await page.selectOption("form[action$=send-missed] select", "1h");
  await page.click("button:text('Send what was missed')");
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
    "/endpoints", "/endpoints/new", `/endpoints/${endpoint}`, "/tokens"];
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

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
