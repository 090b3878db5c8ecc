-- The rooms of a partition that have moved. KEYS: meta, heads, lanes. ARGV: after.
-- Gives nothing when that cannot be told, otherwise: pos, then the room and the lanes of each.
local have = redis.call('HMGET', KEYS[1], 'gen', 'pos', 'floor')
if not have[1] or tonumber(ARGV[1]) < tonumber(have[3]) then
  return {}
end
if not redis.call('ZSCORE', KEYS[2], '@' .. have[1]) or redis.call('HGET', KEYS[3], '@') ~= have[1] then
  return {}
end
local answer = { have[2] }
for _, room in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf')) do
  local lanes = redis.call('HGET', KEYS[3], room)
  if not lanes then
    return {}
  end
  answer[#answer + 1] = room
  answer[#answer + 1] = lanes
end
return answer
