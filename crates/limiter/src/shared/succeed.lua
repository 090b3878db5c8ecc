-- An attempt succeeded: no failures in a row any more, and its origin is known from now on. KEYS: the account. ARGV: the
-- origin or nothing, how many origins are known at the most, how long they are kept in milliseconds.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local origin, most, keep = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('HSET', KEYS[1], 'failures', 0, 'last', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], keep)
if origin == '' then
    return 0
end
redis.call('HSET', KEYS[1], origin, string.format('%.0f', now))
local fields = redis.call('HGETALL', KEYS[1])
local known, oldest, at = 0, nil, math.huge
for field = 1, #fields, 2 do
    local name, seen = fields[field], tonumber(fields[field + 1])
    if name ~= 'failures' and name ~= 'last' then
        known = known + 1
        if seen < at and name ~= origin then
            oldest, at = name, seen
        end
    end
end
if known > most then
    redis.call('HDEL', KEYS[1], oldest)
end
return 0
