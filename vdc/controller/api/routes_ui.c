/*
 * The console until the editor exists: one page that lists applications and their states, live, from the API,
 * with the token in the address's fragment (#token=…), which a browser keeps to itself. The page itself holds
 * nothing secret.
 */
#include "vdc/controller/api/routes.h"

/* clang-format off */
static const char page[] =
    "<!doctype html>\n"
    "<html lang=\"en\"><head><meta charset=\"utf-8\"><title>VDC</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n"
    "<link rel=\"stylesheet\" href=\"/ui/console.css\"></head>\n"
    "<body><header><h1>VDC</h1><span id=\"status\" role=\"status\"></span></header>\n"
    "<main><form id=\"login\" hidden><h2>This page needs the grid's token</h2>\n"
    "<p>On the grid's machine, as root, <code>vdc lab link</code> prints this address with the token in it.</p>\n"
    "<label for=\"token\">Token</label> <input id=\"token\" type=\"password\" autocomplete=\"off\" size=\"40\">\n"
    "<button>Show</button><p id=\"problem\" role=\"alert\"></p></form>\n"
    "<section id=\"applications\"></section></main>\n"
    "<noscript>This page needs JavaScript; the command line does not: vdc app list</noscript>\n"
    "<script src=\"/ui/console.js\"></script></body></html>\n";

static const char style[] =
    ":root{color-scheme:light dark;--page:#f4f6f8;--box:#fff;--line:#d7dde4;--text:#1c2430;--soft:#566373;--link:#0b5cad;\n"
    "--plain:#e3e8ee;--good:#d2f0da;--busy:#fdeecb;--bad:#f9d4d1}\n"
    "@media(prefers-color-scheme:dark){:root{--page:#12171e;--box:#1b222c;--line:#333e4b;--text:#e6ebf1;--soft:#9aa8b8;\n"
    "--link:#7db8f5;--plain:#35404d;--good:#1d5532;--busy:#5e4710;--bad:#6f2622}}\n"
    "body{font:16px/1.5 system-ui,sans-serif;margin:0;color:var(--text);background:var(--page)}\n"
    "header{background:#1c2430;color:#fff;padding:.6rem 1.5rem;display:flex;gap:1rem;align-items:baseline}\n"
    "h1{font-size:1.2rem;margin:0}header span{color:#aeb9c7}\n"
    "main{padding:1.5rem;max-width:72rem;margin:auto}\n"
    "article,form{background:var(--box);border:1px solid var(--line);border-radius:8px;padding:1rem 1.2rem;\n"
    "margin-bottom:1.2rem;overflow-x:auto}\n"
    ".head{display:flex;flex-wrap:wrap;gap:.4rem .9rem;align-items:center}\n"
    "h2{font-size:1.1rem;margin:0}a{color:var(--link)}\n"
    "table{border-collapse:collapse;margin-top:.8rem;width:100%}\n"
    "th{color:var(--soft);font-size:.85rem;font-weight:600}\n"
    "td,th{text-align:left;padding:.3rem 1.2rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}\n"
    "tr:last-child td{border-bottom:0}\n"
    "td:first-child,code{font-family:ui-monospace,monospace;font-size:.9em}\n"
    ".state{border-radius:9px;padding:.1rem .6rem;font-size:.85rem;background:var(--plain);white-space:nowrap}\n"
    ".running{background:var(--good)}\n"
    ".degraded,.starting,.restarting,.maintenance,.stopping,.waiting,.draining{background:var(--busy)}\n"
    ".failed,.unknown{background:var(--bad)}\n"
    ".soft{color:var(--soft)}.problem,#problem{color:inherit;border-left:4px solid #c8453b;padding-left:.6rem}\n"
    "#problem:empty{display:none}\n"
    "input,button{font:inherit;padding:.2rem .5rem}\n";

static const char script[] =
    "\"use strict\";\n"
    "const key = \"vdc-token\";\n"
    "const at = id => document.getElementById(id);\n"
    "\n"
    "function element(name, text, className) {\n"
    "  const node = document.createElement(name);\n"
    "  if (text) node.textContent = text;\n"
    "  if (className) node.className = className;\n"
    "  return node;\n"
    "}\n"
    "\n"
    "/* Out of the address at once: it would stay in the history. */\n"
    "function takeToken() {\n"
    "  const token = new URLSearchParams(location.hash.slice(1)).get(\"token\");\n"
    "  if (!token) return false;\n"
    "  sessionStorage.setItem(key, token);\n"
    "  history.replaceState(null, \"\", location.pathname);\n"
    "  return true;\n"
    "}\n"
    "\n"
    "async function ask(path, more) {\n"
    "  const headers = {Authorization: \"Bearer \" + sessionStorage.getItem(key), ...more};\n"
    "  const answer = await fetch(\"/api/v1/\" + path, {headers, cache: \"no-store\"});\n"
    "  if (!answer.ok) throw Object.assign(new Error(\"refused\"), {status: answer.status});\n"
    "  return answer;\n"
    "}\n"
    "const get = async path => (await ask(path)).json();\n"
    "\n"
    "const state = name => element(\"span\", name, \"state \" + name);\n"
    "\n"
    "function row(cells, kind) {\n"
    "  const line = element(\"tr\");\n"
    "  for (const content of cells) {\n"
    "    const cell = element(kind);\n"
    "    cell.append(content || \"\");\n"
    "    line.append(cell);\n"
    "  }\n"
    "  return line;\n"
    "}\n"
    "\n"
    "function members(items) {\n"
    "  const table = element(\"table\");\n"
    "  table.append(row([\"instance\", \"class\", \"state\", \"server\", \"\"], \"th\"));\n"
    "  for (const item of items) {\n"
    "    const restarts = item.restarts ? \"restarts: \" + item.restarts : \"\";\n"
    "    const notes = [item.error ? item.error.message : item.text, restarts].filter(Boolean).join(\"; \");\n"
    "    table.append(row([item.name, item.class, state(item.state), item.server,\n"
    "      element(\"span\", notes, \"soft\")], \"td\"));\n"
    "  }\n"
    "  return table;\n"
    "}\n"
    "\n"
    "function problem(error) {\n"
    "  const text = [error.instance, error.message].filter(Boolean).join(\": \");\n"
    "  const box = element(\"p\", text, \"problem\");\n"
    "  if (error.remedy) box.append(element(\"br\"), element(\"span\", \"What to do: \" + error.remedy, \"soft\"));\n"
    "  return box;\n"
    "}\n"
    "\n"
    "/* What does not run answers nothing: its address is shown, not offered. */\n"
    "function linkTo(url, runs) {\n"
    "  if (!runs) return element(\"span\", url, \"soft\");\n"
    "  const link = element(\"a\", url);\n"
    "  link.href = url;\n"
    "  link.rel = \"noreferrer\";\n"
    "  return link;\n"
    "}\n"
    "\n"
    "function article(application, items) {\n"
    "  const box = element(\"article\");\n"
    "  const head = element(\"div\", \"\", \"head\");\n"
    "  box.id = \"application-\" + application.name;\n"
    "  head.append(element(\"h2\", application.name), state(application.state));\n"
    "  head.append(element(\"span\", application.ready + \" of \" + application.instances + \" ready\", \"soft\"));\n"
    "  for (const url of application.urls) head.append(linkTo(url, application.ready > 0));\n"
    "  box.append(head);\n"
    "  if (application.error) box.append(problem(application.error));\n"
    "  box.append(members(items));\n"
    "  return box;\n"
    "}\n"
    "\n"
    "function nothing() {\n"
    "  const text = element(\"p\", \"No applications yet. One more is made by: \");\n"
    "  text.append(element(\"code\", \"vdc app create NAME --from catalog/lamp\"));\n"
    "  return text;\n"
    "}\n"
    "\n"
    "/* An application may be destroyed between the two looks. */\n"
    "async function boxOf(application) {\n"
    "  try {\n"
    "    const list = await get(\"applications/\" + encodeURIComponent(application.name) + \"/instances\");\n"
    "    return article(application, list.items);\n"
    "  } catch (error) {\n"
    "    if (error.status === 404) return null;\n"
    "    throw error;\n"
    "  }\n"
    "}\n"
    "\n"
    "async function show() {\n"
    "  const list = await get(\"applications\");\n"
    "  const boxes = (await Promise.all(list.items.map(boxOf))).filter(Boolean);\n"
    "  at(\"applications\").replaceChildren(...(boxes.length ? boxes : [nothing()]));\n"
    "  const running = list.items.filter(item => item.state === \"running\").length;\n"
    "  const all = boxes.length === 1 ? \"1 application\" : boxes.length + \" applications\";\n"
    "  at(\"status\").textContent = all + \", \" + running + \" running\";\n"
    "}\n"
    "\n"
    "/* Events come in bursts: at most one look under way, and one more for what came meanwhile. */\n"
    "let looking = null, again = false;\n"
    "async function look() {\n"
    "  try {\n"
    "    do {\n"
    "      again = false;\n"
    "      await show();\n"
    "    } while (again);\n"
    "  } finally {\n"
    "    looking = null;\n"
    "  }\n"
    "}\n"
    "function lookSoon() {\n"
    "  again = true;\n"
    "  if (!looking) looking = look();\n"
    "  return looking;\n"
    "}\n"
    "\n"
    "function needToken(message) {\n"
    "  sessionStorage.removeItem(key);\n"
    "  at(\"applications\").replaceChildren();\n"
    "  at(\"status\").textContent = \"not signed in\";\n"
    "  at(\"problem\").textContent = message;\n"
    "  at(\"login\").hidden = false;\n"
    "  at(\"token\").focus();\n"
    "}\n"
    "\n"
    "async function follow() {\n"
    "  const answer = await ask(\"events?follow=1\", {Accept: \"text/event-stream\"});\n"
    "  const reader = answer.body.getReader();\n"
    "  await lookSoon();\n"
    "  while (!(await reader.read()).done) lookSoon().catch(() => reader.cancel());\n"
    "}\n"
    "\n"
    "async function begin() {\n"
    "  if (!sessionStorage.getItem(key)) return needToken(\"\");\n"
    "  at(\"login\").hidden = true;\n"
    "  try {\n"
    "    await follow();\n"
    "  } catch (error) {\n"
    "    if (error.status === 401 || error.status === 403) return needToken(\"This token is not accepted.\");\n"
    "  }\n"
    "  at(\"status\").textContent = \"The controller does not answer; trying again. What is shown may be old.\";\n"
    "  setTimeout(begin, 2000);\n"
    "}\n"
    "\n"
    "at(\"login\").addEventListener(\"submit\", event => {\n"
    "  event.preventDefault();\n"
    "  sessionStorage.setItem(key, at(\"token\").value.trim());\n"
    "  at(\"token\").value = \"\";\n"
    "  begin();\n"
    "});\n"
    "addEventListener(\"hashchange\", () => { if (takeToken()) location.reload(); });\n"
    "takeToken();\n"
    "begin();\n";
/* clang-format on */

static void
get_page (HttpRequest *request, gpointer user_data)
{
    http_reply_html (request, page);
}

static void
get_style (HttpRequest *request, gpointer user_data)
{
    http_reply_text (request, 200, "text/css; charset=utf-8", style);
}

static void
get_script (HttpRequest *request, gpointer user_data)
{
    http_reply_text (request, 200, "text/javascript; charset=utf-8", script);
}

static const HttpRoute rows[] = {
    {HTTP_ROUTE (GET, "/", PUBLIC, NONE, "getConsolePage"), .summary = "The console page",
     .answer_schema = HTTP_ANSWER_BYTES, .answer_type = "text/html", .handler = get_page},
    {HTTP_ROUTE (GET, "/ui", PUBLIC, NONE, "getConsolePageUi"), .summary = "The console page",
     .answer_schema = HTTP_ANSWER_BYTES, .answer_type = "text/html", .handler = get_page},
    {HTTP_ROUTE (GET, "/ui/console.css", PUBLIC, NONE, "getConsoleStyle"), .summary = "Its style",
     .answer_schema = HTTP_ANSWER_BYTES, .answer_type = "text/css", .handler = get_style},
    {HTTP_ROUTE (GET, "/ui/console.js", PUBLIC, NONE, "getConsoleScript"), .summary = "Its script",
     .answer_schema = HTTP_ANSWER_BYTES, .answer_type = "text/javascript", .handler = get_script},
};

void
routes_add_ui (HttpRouter *router, Controller *controller)
{
    http_router_add (router, rows, G_N_ELEMENTS (rows), controller);
}
