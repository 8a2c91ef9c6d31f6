/*
 * The console until the editor exists: one page that lists applications and their states, from the API, with
 * the token in the address's fragment (#token=…), which a browser keeps to itself. The page itself holds
 * nothing secret.
 */
#include "vdc/controller/api/routes.h"

static const char page[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>VDC</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<link rel=\"stylesheet\" href=\"/ui/console.css\"></head>\n"
    "<body><header><h1>VDC</h1><span id=\"server\"></span></header>\n"
    "<main><form id=\"login\" hidden><label>Token <input id=\"token\" type=\"password\" "
    "autocomplete=\"off\"></label>\n"
    "<button>Show</button><p id=\"problem\"></p></form>\n"
    "<section id=\"applications\"></section></main>\n"
    "<noscript>This page needs JavaScript; the command line does not: vdc app list</noscript>\n"
    "<script src=\"/ui/console.js\"></script></body></html>\n";

static const char style[] =
    "body{font:16px/1.5 system-ui,sans-serif;margin:0;color:#1c2430;background:#f4f6f8}\n"
    "header{background:#1c2430;color:#fff;padding:.6rem 1.2rem;display:flex;gap:1rem;align-items:baseline}\n"
    "h1{font-size:1.2rem;margin:0}header span{color:#aeb9c7}\n"
    "main{padding:1.2rem;max-width:70rem}article{background:#fff;border:1px solid #d7dde4;border-radius:6px;"
    "padding:.8rem 1rem;margin-bottom:1rem}\n"
    "h2{font-size:1.05rem;margin:0 .6rem 0 "
    "0;display:inline-block}table{border-collapse:collapse;margin-top:.5rem}\n"
    "td,th{text-align:left;padding:.1rem 1.4rem .1rem "
    "0;font-weight:normal}th{color:#5b6878;font-size:.85rem}\n"
    ".state{border-radius:9px;padding:.05rem .6rem;font-size:.85rem;background:#e3e8ee}\n"
    ".running{background:#d2f0da}.degraded,.starting,.restarting,.maintenance,.stopping{background:#fdeecb}\n"
    ".failed,.unknown{background:#f9d4d1}.text{color:#5b6878}\n";

static const char script[] =
    "'use strict';\n"
    "const key = 'vdc-token';\n"
    "const fragment = new URLSearchParams(location.hash.slice(1));\n"
    "if (fragment.get('token')) {\n"
    "  sessionStorage.setItem(key, fragment.get('token'));\n"
    "  history.replaceState(null, '', location.pathname);\n"
    "}\n"
    "const at = id => document.getElementById(id);\n"
    "function element(name, text, className) {\n"
    "  const node = document.createElement(name);\n"
    "  if (text !== undefined && text !== null) node.textContent = text;\n"
    "  if (className) node.className = className;\n"
    "  return node;\n"
    "}\n"
    "async function get(path) {\n"
    "  const answer = await fetch('/api/v1/' + path, {headers: {Authorization: 'Bearer ' + "
    "sessionStorage.getItem(key)}});\n"
    "  const body = await answer.json();\n"
    "  if (!answer.ok) throw Object.assign(new Error(body.message), {status: answer.status});\n"
    "  return body;\n"
    "}\n"
    "function row(cells, name) {\n"
    "  const line = element('tr');\n"
    "  for (const cell of cells) line.append(cell instanceof Node ? cell : element(name, cell));\n"
    "  return line;\n"
    "}\n"
    "function stateCell(state) {\n"
    "  const cell = element('td');\n"
    "  cell.append(element('span', state, 'state ' + state));\n"
    "  return cell;\n"
    "}\n"
    "async function article(application) {\n"
    "  const box = element('article');\n"
    "  box.append(element('h2', application.name), element('span', application.state, 'state ' + "
    "application.state));\n"
    "  for (const url of application.urls) {\n"
    "    const link = element('a', url);\n"
    "    link.href = url; link.rel = 'noreferrer'; link.style.marginLeft = '1rem';\n"
    "    box.append(link);\n"
    "  }\n"
    "  if (application.error) box.append(element('p', application.error.message, 'text'));\n"
    "  const table = element('table');\n"
    "  table.append(row(['instance', 'class', 'state', 'server', ''], 'th'));\n"
    "  const list = await get('applications/' + encodeURIComponent(application.name) + '/instances');\n"
    "  for (const item of list.items)\n"
    "    table.append(row([item.name, item.class, stateCell(item.state), item.server || '', item.text || "
    "''], 'td'));\n"
    "  box.append(table);\n"
    "  return box;\n"
    "}\n"
    "async function show() {\n"
    "  const list = await get('applications');\n"
    "  const boxes = await Promise.all(list.items.map(article));\n"
    "  at('applications').replaceChildren(...(boxes.length ? boxes : [element('p', 'No applications yet. "
    "vdc app create NAME --from catalog/lamp makes one.')]));\n"
    "  at('server').textContent = list.items.length + ' applications';\n"
    "}\n"
    "let following = false;\n"
    "async function follow() {\n"
    "  if (following) return;\n"
    "  following = true;\n"
    "  try {\n"
    "    const answer = await fetch('/api/v1/events?follow=1', {headers: {Accept: 'text/event-stream', "
    "Authorization: 'Bearer ' + sessionStorage.getItem(key)}});\n"
    "    const reader = answer.body.getReader();\n"
    "    for (;;) {\n"
    "      const piece = await reader.read();\n"
    "      if (piece.done) break;\n"
    "      await show();\n"
    "    }\n"
    "  } catch (problem) { console.log(problem); }\n"
    "  following = false;\n"
    "  setTimeout(begin, 2000);\n"
    "}\n"
    "async function begin() {\n"
    "  at('login').hidden = true;\n"
    "  try {\n"
    "    if (!sessionStorage.getItem(key)) throw Object.assign(new Error(''), {status: 401});\n"
    "    await show();\n"
    "    follow();\n"
    "  } catch (problem) {\n"
    "    if (problem.status === 401 || problem.status === 403) {\n"
    "      at('login').hidden = false;\n"
    "      at('problem').textContent = problem.message;\n"
    "      return;\n"
    "    }\n"
    "    at('server').textContent = 'the controller does not answer; trying again';\n"
    "    setTimeout(begin, 2000);\n"
    "  }\n"
    "}\n"
    "at('login').addEventListener('submit', event => {\n"
    "  event.preventDefault();\n"
    "  sessionStorage.setItem(key, at('token').value.trim());\n"
    "  begin();\n"
    "});\n"
    "begin();\n";

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
    {"GET", "/", HTTP_ROLE_PUBLIC, .name = "getConsolePage", .summary = "The console page",
     .handler = get_page},
    {"GET", "/ui", HTTP_ROLE_PUBLIC, .name = "getConsolePageUi", .summary = "The console page",
     .handler = get_page},
    {"GET", "/ui/console.css", HTTP_ROLE_PUBLIC, .name = "getConsoleStyle", .summary = "Its style",
     .handler = get_style},
    {"GET", "/ui/console.js", HTTP_ROLE_PUBLIC, .name = "getConsoleScript", .summary = "Its script",
     .handler = get_script},
};

void
routes_add_ui (HttpRouter *router, Controller *controller)
{
    http_router_add (router, rows, G_N_ELEMENTS (rows), controller);
}
