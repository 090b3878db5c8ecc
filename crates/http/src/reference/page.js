// Draws /openapi.json and lets one try each operation. No dependencies, nothing from elsewhere.
"use strict";

const element = (name, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
};

const resolve = (api, schema) => {
  if (!schema || !schema.$ref) return schema;
  return schema.$ref.slice(2).split("/").reduce((at, key) => at[key], api);
};

// An example value of a schema: what to start from when trying an operation.
const example = (api, given, depth = 0) => {
  const schema = resolve(api, given);
  if (!schema || depth > 5) return null;
  const variant = (schema.oneOf || schema.anyOf || schema.allOf || []).find((one) => one.type !== "null");
  if (variant) return example(api, variant, depth + 1);
  const type = Array.isArray(schema.type) ? schema.type.find((one) => one !== "null") : schema.type;
  if (type === "object") {
    const required = schema.required || Object.keys(schema.properties || {});
    return Object.fromEntries(required.map((key) => [key, example(api, schema.properties[key], depth + 1)]));
  }
  if (type === "array") return [];
  if (type === "integer" || type === "number") return 0;
  if (type === "boolean") return false;
  return schema.format === "uuid" ? "00000000-0000-7000-8000-000000000000" : "";
};

// A UUID of version 7, for the id of a command.
const uuid7 = () => {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let now = Date.now();
  for (let at = 5; at >= 0; at -= 1, now = Math.floor(now / 256)) bytes[at] = now % 256;
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
};

const attempt = async (method, path, fields, body, output) => {
  const query = new URLSearchParams();
  for (const { parameter, input } of fields) {
    if (parameter.in === "path") path = path.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (input.value) query.set(parameter.name, input.value);
  }
  const token = document.getElementById("token").value;
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  if (body) headers["content-type"] = "application/json";
  const address = query.size ? `${path}?${query}` : path;
  const response = await fetch(address, { method, headers, body: body ? body.value : undefined });
  const text = await response.text();
  let shown = text;
  try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: as it is */ }
  output.textContent = `${response.status} ${response.statusText}\n\n${shown}`;
};

const draw = (api, path, method, operation) => {
  const locked = operation.security && operation.security.some((one) => Object.keys(one).length);
  const box = element("details", {}, element("summary", {}, element("b", { textContent: method.toUpperCase() }),
    element("code", { textContent: path }), ` ${operation.summary || ""} `,
    element("span", { className: "lock", textContent: locked ? "(token)" : "" })));
  if (operation.description) box.append(element("p", { textContent: operation.description }));
  const fields = (operation.parameters || []).map((parameter) => {
    const input = element("input", { placeholder: parameter.required ? "required" : "optional" });
    box.append(element("label", { textContent: `${parameter.name}: ${parameter.description || ""}` }, input));
    return { parameter, input };
  });
  let body = null;
  const content = operation.requestBody && operation.requestBody.content["application/json"];
  if (content) {
    const value = example(api, content.schema);
    if (value && "id" in value) value.id = uuid7();
    body = element("textarea", { value: JSON.stringify(value, null, 2) });
    box.append(element("label", { textContent: "Body" }, body),
      element("details", {}, element("summary", { textContent: "Its schema" }),
        element("pre", { textContent: JSON.stringify(resolve(api, content.schema), null, 2) })));
  }
  const answers = element("ul");
  for (const [status, answer] of Object.entries(operation.responses || {})) {
    answers.append(element("li", { textContent: `${status}: ${answer.description || ""}` }));
  }
  const output = element("pre");
  const send = element("button", { textContent: "Send", type: "button" });
  send.onclick = () => attempt(method.toUpperCase(), path, fields, body, output).catch((error) => {
    output.textContent = String(error);
  });
  box.append(answers, send, output);
  return box;
};

const start = async () => {
  const api = await (await fetch("/openapi.json")).json();
  document.getElementById("about").textContent = api.info.description || "";
  const main = document.getElementById("operations");
  main.replaceChildren();
  for (const [path, item] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(item)) main.append(draw(api, path, method, operation));
  }
};

start();
