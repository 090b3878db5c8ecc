-- Reads the end of a room's hot list.
-- KEYS: meta, lanes, list. ARGV: room, 'after' or 'newest', the sequence or how many.
-- Gives nothing when the list cannot be trusted, otherwise: pos, lanes, the entry before the first item (0 for none),
-- then the items. For 'after' the items are all after the sequence; for 'newest' at most so many, or fewer when the
-- list holds no more.
local have = redis.call('HMGET', KEYS[1], 'gen', 'pos')
if not have[1] then
  return {}
end
local lanes, mode, bound = redis.call('HGET', KEYS[2], ARGV[1]), ARGV[2], tonumber(ARGV[3])
if not lanes or redis.call('HGET', KEYS[2], '@') ~= have[1] then
  return {}
end

local found, before, done = {}, nil, false
local last = -1
while not done do
  local chunk = redis.call('LRANGE', KEYS[3], last - 31, last)
  if #chunk == 0 then
    done = true
  end
  for i = #chunk, 1, -1 do
    local of, prev, seq, item = string.match(chunk[i], '^([^:]*):(%d+):(%d+):(.*)$')
    if of ~= have[1] then
      return {}
    end
    if (mode == 'after' and tonumber(seq) <= bound) or (mode == 'newest' and #found >= bound) then
      done = true
      before = seq
      break
    end
    found[#found + 1] = item
    before = prev
  end
  last = last - 32
end
if before == nil then
  return {}
end
if mode == 'after' and tonumber(before) > bound then
  return {}
end

local answer = { have[2], lanes, before }
for i = #found, 1, -1 do
  answer[#answer + 1] = found[i]
end
return answer
