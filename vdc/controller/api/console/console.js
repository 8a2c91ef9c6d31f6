"use strict";
const key = "vdc-token";
const at = id => document.getElementById(id);

function element(name, text, className) {
  const node = document.createElement(name);
  if (text) node.textContent = text;
  if (className) node.className = className;
  return node;
}

/* Out of the address at once: it would stay in the history. */
function takeToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return false;
  sessionStorage.setItem(key, token);
  history.replaceState(null, "", location.pathname);
  return true;
}

/* Without a token the browser sends the session's cookie by itself. */
async function ask(path, more, options) {
  const token = sessionStorage.getItem(key);
  const headers = {...(token ? {Authorization: "Bearer " + token} : {}), ...more};
  const answer = await fetch("/api/v1/" + path, {headers, cache: "no-store", ...options});
  if (!answer.ok) throw Object.assign(new Error("refused"), {status: answer.status, answer});
  return answer;
}
const post = (path, body) => ask(path, {"Content-Type": "application/json", "X-VDC-Request": "1"},
  {method: "POST", body: JSON.stringify(body)});
const get = async path => (await ask(path)).json();

const state = name => element("span", name, "state " + name);

function row(cells, kind) {
  const line = element("tr");
  for (const content of cells) {
    const cell = element(kind);
    cell.append(content || "");
    line.append(cell);
  }
  return line;
}

function members(items) {
  const table = element("table");
  table.append(row(["instance", "class", "state", "server", ""], "th"));
  for (const item of items) {
    const restarts = item.restarts ? "restarts: " + item.restarts : "";
    const notes = [item.error ? item.error.message : item.text, restarts].filter(Boolean).join("; ");
    table.append(row([item.name, item.class, state(item.state), item.server,
      element("span", notes, "soft")], "td"));
  }
  return table;
}

function problem(error) {
  const text = [error.instance, error.message].filter(Boolean).join(": ");
  const box = element("p", text, "problem");
  if (error.remedy) box.append(element("br"), element("span", "What to do: " + error.remedy, "soft"));
  return box;
}

/* What does not run answers nothing: its address is shown, not offered. */
function linkTo(url, runs) {
  if (!runs) return element("span", url, "soft");
  const link = element("a", url);
  link.href = url;
  link.rel = "noreferrer";
  return link;
}

function article(application, items) {
  const box = element("article");
  const head = element("div", "", "head");
  box.id = "application-" + application.name;
  head.append(element("h2", application.name), state(application.state));
  head.append(element("span", application.ready + " of " + application.instances + " ready", "soft"));
  for (const url of application.urls) head.append(linkTo(url, application.ready > 0));
  box.append(head);
  if (application.error) box.append(problem(application.error));
  box.append(members(items));
  return box;
}

function nothing() {
  const text = element("p", "No applications yet. One more is made by: ");
  text.append(element("code", "vdc app create NAME --from catalog/lamp"));
  return text;
}

/* An application may be destroyed between the two looks. */
async function boxOf(application) {
  try {
    const list = await get("applications/" + encodeURIComponent(application.name) + "/instances");
    return article(application, list.items);
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

async function show() {
  const list = await get("applications");
  const boxes = (await Promise.all(list.items.map(boxOf))).filter(Boolean);
  at("applications").replaceChildren(...(boxes.length ? boxes : [nothing()]));
  const running = list.items.filter(item => item.state === "running").length;
  const all = boxes.length === 1 ? "1 application" : boxes.length + " applications";
  at("status").textContent = all + ", " + running + " running";
}

/* Events come in bursts: at most one look under way, and one more for what came meanwhile. */
let looking = null, again = false;
async function look() {
  try {
    do {
      again = false;
      await show();
    } while (again);
  } finally {
    looking = null;
  }
}
function lookSoon() {
  again = true;
  if (!looking) looking = look();
  return looking;
}

function needLogin(message) {
  sessionStorage.removeItem(key);
  at("applications").replaceChildren();
  at("status").textContent = "not signed in";
  at("problem").textContent = message;
  at("login").hidden = false;
  at("logout").hidden = true;
  at("user").focus();
}

async function follow() {
  const answer = await ask("events?follow=1", {Accept: "text/event-stream"});
  const reader = answer.body.getReader();
  await lookSoon();
  while (!(await reader.read()).done) lookSoon().catch(() => reader.cancel());
}

async function begin() {
  const token = sessionStorage.getItem(key);
  try {
    const me = await get("me");
    at("login").hidden = true;
    at("logout").hidden = me.kind !== "session";
    await follow();
  } catch (error) {
    if (error.status === 401 || error.status === 403)
      return needLogin(token ? "This token is not accepted." : at("logout").hidden ? "" : "The session has ended.");
  }
  at("status").textContent = "The controller does not answer; trying again. What is shown may be old.";
  setTimeout(begin, 2000);
}

async function reason(error) {
  if (!error.answer) return "The controller does not answer.";
  return (await error.answer.json().catch(() => ({}))).message || "It was refused.";
}

at("by-token").addEventListener("submit", event => {
  event.preventDefault();
  sessionStorage.setItem(key, at("token").value.trim());
  at("token").value = "";
  begin();
});
at("by-password").addEventListener("submit", async event => {
  event.preventDefault();
  const password = at("password").value;
  at("password").value = "";
  try {
    await post("login", {user: at("user").value.trim(), password, cookie: true});
  } catch (error) {
    at("problem").textContent = await reason(error);
    return;
  }
  begin();
});
/* The stream that is open ends with the session, and begin asks anew. */
at("logout").addEventListener("click", async () => {
  await post("logout", {}).catch(() => {});
  location.reload();
});
addEventListener("hashchange", () => { if (takeToken()) location.reload(); });
takeToken();
begin();
