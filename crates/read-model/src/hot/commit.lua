-- Writes what a batch did to the hot set, all or nothing.
-- KEYS: meta, heads, lanes, then one list per room.
-- ARGV: generation, fresh, prev, pos, epoch, incarnation, fingerprint, items per room, seconds to live, most rooms,
--       then per room: id, head, lanes, number of items, and per item: the entry before it, its entry in the list.
-- Gives 'ok'; 'older' when a newer generation has written; 'broken' when this is not where it left off.
local meta, heads, lanes = KEYS[1], KEYS[2], KEYS[3]
local generation, fresh, prev, pos = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local cap, ttl, most = tonumber(ARGV[8]), ARGV[9], tonumber(ARGV[10])

local have = redis.call('HMGET', meta, 'gen', 'pos')
if have[1] and have[1] > generation then
  return 'older'
end
if fresh == '1' then
  redis.call('DEL', meta, heads, lanes)
  redis.call('ZADD', heads, -1, '@' .. generation)
  redis.call('HSET', lanes, '@', generation)
  redis.call('HSET', meta, 'gen', generation, 'floor', prev)
elseif have[1] ~= generation or have[2] ~= prev
    or not redis.call('ZSCORE', heads, '@' .. generation) or redis.call('HGET', lanes, '@') ~= generation then
  return 'broken'
end

local at = 11
for key = 4, #KEYS do
  local list = KEYS[key]
  local room, head, text, count = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
  at = at + 4
  redis.call('ZADD', heads, head, room)
  redis.call('HSET', lanes, room, text)
  if count > 0 then
    local tail = redis.call('LINDEX', list, -1)
    local continues = false
    if tail then
      local of, seq = string.match(tail, '^([^:]*):%d+:(%d+):')
      continues = of == generation and seq == ARGV[at]
    end
    if not continues then
      redis.call('DEL', list)
    end
    for _ = 1, count do
      redis.call('RPUSH', list, ARGV[at + 1])
      at = at + 2
    end
    redis.call('LTRIM', list, -cap, -1)
    redis.call('EXPIRE', list, ttl)
  end
end

local surplus = redis.call('ZCARD', heads) - 1 - most
if surplus > 0 then
  local gone = redis.call('ZRANGE', heads, 1, surplus, 'WITHSCORES')
  for i = 1, #gone, 2 do
    redis.call('HDEL', lanes, gone[i])
  end
  redis.call('HSET', meta, 'floor', gone[#gone])
  redis.call('ZREMRANGEBYRANK', heads, 1, surplus)
end

redis.call('HSET', meta, 'pos', pos, 'epoch', ARGV[5], 'incarnation', ARGV[6], 'fingerprint', ARGV[7])
return 'ok'
