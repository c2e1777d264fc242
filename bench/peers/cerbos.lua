-- Asks Cerbos by gRPC (`CheckResources`), written by hand: half of what Cerbos takes for the same
-- question in JSON. It has no service for Envoy's external authorization. `jwt_authn` stands before, so
-- that claims are verified. Paths without variables are found at once, others segment by segment;
-- `true` is a public route.
local LITERALS = {{literals}}
local TEMPLATES = {{templates}}

local HEAD = { [":method"] = "POST", [":path"] = "/cerbos.svc.v1.CerbosService/CheckResources",
  [":authority"] = "decisions", ["content-type"] = "application/grpc", te = "trailers" }

local char = string.char

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

-- A member of a message: its number and type, its length, itself. Lengths below 2^14.
local function member(number, bytes)
  local length = #bytes
  if length < 128 then return char(number * 8 + 2, length) .. bytes end
  return char(number * 8 + 2, length % 128 + 128, math.floor(length / 128)) .. bytes
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
  -- An error in a script lets the request pass.
  if not action or not claims or not claims.sub or #path + #claims.sub > 8192 then return refuse(handle) end
  local principal = member(1, claims.sub)
  for _, role in ipairs(claims.roles or {}) do principal = principal .. member(3, role) end
  local resource = member(1, "api") .. member(3, path)
  local question = member(3, principal) .. member(4, member(1, action) .. member(2, resource))
  local length = #question
  local frame = char(0, 0, 0, math.floor(length / 256), length % 256) .. question
  local head, answer = handle:httpCall("decisions", HEAD, frame, 10000)
  -- The action, and 1 for its effect. No path can hold these bytes.
  local allowed = head[":status"] == "200" and answer and answer:find(action .. "\16\1", 1, true)
  if not allowed then refuse(handle) end
end
