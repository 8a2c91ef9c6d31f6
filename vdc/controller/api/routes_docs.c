/*
 * What the API says of itself: the OpenAPI document, the error codes, and a page that shows both to people.
 * Made once from the table that answers requests, so that they cannot tell something else.
 */
#include "vdc/controller/api/openapi.h"
#include "vdc/controller/api/routes.h"

/* clang-format off */
static const char page[] =
    "<!doctype html>\n"
    "<html lang=\"en\"><head><meta charset=\"utf-8\"><title>VDC: the API</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n"
    "<link rel=\"stylesheet\" href=\"/api/docs.css\"></head>\n"
    "<body><header><h1>The API of VDC</h1><label>Find <input id=\"find\" type=\"search\"></label></header>\n"
    "<nav id=\"index\" aria-label=\"Calls\"></nav><main id=\"calls\"><p>Reading …</p></main>\n"
    "<noscript>The document itself is at <a href=\"/api/v1/openapi.json\">/api/v1/openapi.json</a>.</noscript>\n"
    "<script src=\"/api/docs.js\"></script></body></html>\n";

static const char style[] =
    ":root{color-scheme:light dark;--page:#f4f6f8;--box:#fff;--line:#d7dde4;--text:#1c2430;--soft:#566373;--link:#0b5cad}\n"
    "@media(prefers-color-scheme:dark){:root{--page:#12171e;--box:#1b222c;--line:#333e4b;--text:#e6ebf1;--soft:#9aa8b8;--link:#7db8f5}}\n"
    "body{font:16px/1.5 system-ui,sans-serif;margin:0;color:var(--text);background:var(--page);display:grid;\n"
    "grid-template:auto 1fr/minmax(12rem,17rem) minmax(0,1fr)}\n"
    "header{grid-column:1/3;background:#1c2430;color:#fff;padding:.6rem 1.5rem;display:flex;gap:2rem;align-items:center}\n"
    "h1{font-size:1.2rem;margin:0}input{font:inherit;padding:.1rem .5rem}\n"
    "nav{padding:1rem 1.5rem;font-size:.9rem}nav a{display:block}nav b{display:block;margin-top:.7rem}\n"
    "main{padding:1rem 1.5rem;max-width:60rem}a{color:var(--link)}\n"
    "article{background:var(--box);border:1px solid var(--line);border-radius:8px;padding:.8rem 1.2rem;margin-bottom:1rem;overflow-x:auto}\n"
    "h2{font:600 1rem/1.5 ui-monospace,monospace;margin:0;overflow-wrap:anywhere}\n"
    "code,td:first-child{font-family:ui-monospace,monospace;font-size:.9em}\n"
    "table{border-collapse:collapse;width:100%;margin:.3rem 0}\n"
    "td,th{text-align:left;vertical-align:top;padding:.2rem 1rem .2rem 0;border-bottom:1px solid var(--line)}\n"
    "summary{cursor:pointer}.soft{color:var(--soft)}\n"
    "@media(max-width:50rem){body{display:block}nav{display:none}}\n";

static const char script[] =
    "\"use strict\";\n"
    "const at = id => document.getElementById(id);\n"
    "function element(name, ...content) {\n"
    "  const node = document.createElement(name);\n"
    "  node.append(...content);\n"
    "  return node;\n"
    "}\n"
    "const code = text => element(\"code\", text);\n"
    "function soft(text) {\n"
    "  const node = element(\"span\", text);\n"
    "  node.className = \"soft\";\n"
    "  return node;\n"
    "}\n"
    "function table(rows) {\n"
    "  const node = element(\"table\");\n"
    "  for (const cells of rows) node.append(element(\"tr\", ...cells.map(cell => element(\"td\", cell || \"\"))));\n"
    "  return node;\n"
    "}\n"
    "const nameOf = reference => reference.split(\"/\").pop();\n"
    "function link(name) {\n"
    "  const node = element(\"a\", name);\n"
    "  node.href = \"#schema-\" + name;\n"
    "  return node;\n"
    "}\n"
    "/* What a value is, in words. */\n"
    "function kind(schema) {\n"
    "  if (schema.$ref) return link(nameOf(schema.$ref));\n"
    "  const either = schema.oneOf || schema.anyOf;\n"
    "  if (either) return element(\"span\", ...either.flatMap((one, i) => i ? [\" or \", kind(one)] : [kind(one)]));\n"
    "  if (schema.enum) return schema.enum.join(\", \");\n"
    "  if (schema.items) return element(\"span\", \"list of \", kind(schema.items));\n"
    "  return [].concat(schema.type || \"anything\").join(\" or \");\n"
    "}\n"
    "function properties(schema) {\n"
    "  const needed = new Set(schema.required || []);\n"
    "  return table(Object.entries(schema.properties || {}).map(([name, value]) =>\n"
    "    [name + (needed.has(name) ? \" *\" : \"\"), kind(value), soft(value.description || \"\")]));\n"
    "}\n"
    "const resolve = (all, one) => one.$ref ? one.$ref.slice(2).split(\"/\").reduce((at, key) => at[key], all) : one;\n"
    "function call(all, method, path, operation) {\n"
    "  const box = element(\"article\", element(\"h2\", method.toUpperCase() + \" \" + path),\n"
    "    element(\"p\", operation.summary, \". \", soft(operation.description)));\n"
    "  box.id = operation.operationId;\n"
    "  const parameters = operation.parameters.map(one => resolve(all, one));\n"
    "  if (parameters.length)\n"
    "    box.append(table(parameters.map(one => [one.name, soft(one.in), kind(one.schema), one.description || \"\"])));\n"
    "  for (const [type, media] of Object.entries(operation.requestBody ? operation.requestBody.content : {}))\n"
    "    box.append(element(\"p\", \"Body \", code(type), \": \", kind(media.schema)));\n"
    "  for (const [status, answer] of Object.entries(operation.responses)) {\n"
    "    const media = Object.entries(answer.content || {});\n"
    "    if (status[0] === \"2\")\n"
    "      box.append(element(\"p\", code(status), \" \", answer.description, \" \",\n"
    "        ...media.flatMap(([type, one]) => [kind(one.schema), \" \", soft(type)])));\n"
    "  }\n"
    "  return box;\n"
    "}\n"
    "function schema(name, value) {\n"
    "  const box = element(\"article\", element(\"h2\", name), element(\"p\", value.description || \"\"),\n"
    "    value.properties ? properties(value) : kind(value));\n"
    "  box.id = \"schema-\" + name;\n"
    "  return box;\n"
    "}\n"
    "function show(all) {\n"
    "  const boxes = [], groups = new Map();\n"
    "  for (const [path, item] of Object.entries(all.paths))\n"
    "    for (const [method, operation] of Object.entries(item)) {\n"
    "      boxes.push(call(all, method, path, operation));\n"
    "      const group = groups.get(operation.tags[0]) || [];\n"
    "      groups.set(operation.tags[0], group.concat(operation));\n"
    "    }\n"
    "  for (const [tag, operations] of groups) {\n"
    "    at(\"index\").append(element(\"b\", tag));\n"
    "    for (const operation of operations) {\n"
    "      const entry = element(\"a\", operation.operationId);\n"
    "      entry.href = \"#\" + operation.operationId;\n"
    "      at(\"index\").append(entry);\n"
    "    }\n"
    "  }\n"
    "  const errors = element(\"article\", element(\"h2\", \"Error codes\"),\n"
    "    table(all[\"x-errors\"].map(one => [one.code, String(one.status), \"exit \" + one.exit, one.meaning, soft(one.remedy)])));\n"
    "  const schemas = Object.entries(all.components.schemas).map(([name, value]) => schema(name, value));\n"
    "  at(\"calls\").replaceChildren(element(\"p\", all.info.description), ...boxes, errors, ...schemas);\n"
    "  if (location.hash) location.replace(location.hash);\n"
    "}\n"
    "at(\"find\").addEventListener(\"input\", () => {\n"
    "  const word = at(\"find\").value.toLowerCase();\n"
    "  for (const box of at(\"calls\").querySelectorAll(\"article\"))\n"
    "    box.hidden = !box.textContent.toLowerCase().includes(word);\n"
    "});\n"
    "fetch(\"/api/v1/openapi.json\").then(answer => answer.json()).then(show)\n"
    "  .catch(error => at(\"calls\").replaceChildren(element(\"p\", \"The document cannot be read: \" + error)));\n";
/* clang-format on */

static void
get_document (HttpRequest *request, gpointer document)
{
    http_reply_json (request, 200, json_incref (document));
}

static void
list_errors (HttpRequest *request, gpointer document)
{
    http_reply_list (request, openapi_errors (), NULL);
}

static void
get_page (HttpRequest *request, gpointer document)
{
    http_reply_html (request, page);
}

static void
get_style (HttpRequest *request, gpointer document)
{
    http_reply_text (request, 200, "text/css; charset=utf-8", style);
}

static void
get_script (HttpRequest *request, gpointer document)
{
    http_reply_text (request, 200, "text/javascript; charset=utf-8", script);
}

static const HttpRoute rows[] = {
    {HTTP_ROUTE (GET, "/api/v1/openapi.json", PUBLIC, NONE, "getOpenApi"),
     .summary = "This API as an OpenAPI 3.1 document", .answer_schema = "OpenApi", .handler = get_document},
    {HTTP_ROUTE (GET, "/api/v1/errors", PUBLIC, NONE, "listErrors"),
     .summary = "All error codes, and what to do", .answer_schema = "ErrorCodeList", .handler = list_errors},
    {HTTP_ROUTE (GET, "/api/docs", PUBLIC, NONE, "getDocumentationPage"), .summary = "This API, for people",
     .answer_schema = HTTP_ANSWER_BYTES, .answer_type = "text/html", .handler = get_page},
    {HTTP_ROUTE (GET, "/api/docs.css", PUBLIC, NONE, "getDocumentationStyle"), .summary = "Its style",
     .answer_schema = HTTP_ANSWER_BYTES, .answer_type = "text/css", .handler = get_style},
    {HTTP_ROUTE (GET, "/api/docs.js", PUBLIC, NONE, "getDocumentationScript"), .summary = "Its script",
     .answer_schema = HTTP_ANSWER_BYTES, .answer_type = "text/javascript", .handler = get_script},
};

/* The document is made when all rows are there: fill it in place. */
void
routes_add_docs (HttpRouter *router, Controller *controller)
{
    json_t *document = json_object ();
    http_router_add (router, rows, G_N_ELEMENTS (rows), document);
    g_autoptr (json_t) made = openapi_document (router);
    json_object_update (document, made);
    http_router_keep (router, document, (GDestroyNotify)json_decref);
}
