-- Asks Cerbos over HTTP, which it is for this version's only way in that Envoy can call: it has no
-- service for Envoy's external authorization. `jwt_authn` stands before, so that claims are verified.
-- Paths without variables are found at once, others segment by segment. `true` is a public route.
local LITERALS = {{literals}}
local TEMPLATES = {{templates}}

local HEAD = { [":method"] = "POST", [":path"] = "/api/check/resources", [":authority"] = "decisions",
  ["content-type"] = "application/json" }

local function action_of(method, path)
  local known = LITERALS[method .. " " .. path]
  if known then return known end
  local node = TEMPLATES[method]
  for segment in path:gmatch("[^/]+") do
    if not node then return nil end
    node = node[segment] or node["*"]
  end
  return node and node["/"]
end

local function quoted(text)
  return '"' .. text:gsub('[%c"\\]', function(c) return string.format("\\u%04x", c:byte()) end) .. '"'
end

local function refuse(handle)
  handle:respond({ [":status"] = "403" }, "denied")
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local path = headers:get(":path"):match("^[^?]*")
  local action = action_of(headers:get(":method"), path)
  if action == true then return end
  local verified = handle:streamInfo():dynamicMetadata():get("envoy.filters.http.jwt_authn")
  local claims = verified and verified.claims
  if not action or not claims then return refuse(handle) end
  local roles = {}
  for number, role in ipairs(claims.roles or {}) do roles[number] = quoted(role) end
  local question = '{"principal":{"id":' .. quoted(claims.sub) .. ',"roles":[' .. table.concat(roles, ",") ..
    ']},"resources":[{"actions":["' .. action .. '"],"resource":{"kind":"api","id":' .. quoted(path) .. "}}]}"
  local head, answer = handle:httpCall("decisions", HEAD, question, 10000)
  if head[":status"] ~= "200" or not answer:find('":%s*"EFFECT_ALLOW"') then refuse(handle) end
end
