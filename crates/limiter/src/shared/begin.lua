-- Counts an attempt as failed, unless it has to wait. KEYS: the account. ARGV: failures without a wait, the first wait,
-- the longest wait, failures that strangers may cause, failures that anybody may cause, the rest after the last of
-- these (times in microseconds), the origin or nothing, the failures that the asking process knows of.
-- Returns how many microseconds to wait, and the failures in a row.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local free, first, longest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local strangers, most, rest = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local origin, heard = ARGV[7], tonumber(ARGV[8])
local failures = tonumber(redis.call('HGET', KEYS[1], 'failures'))
local last = tonumber(redis.call('HGET', KEYS[1], 'last'))
if not failures then
    -- A new account, or Redis has lost what it knew. A row that has ended is counted as none, not left out.
    failures, last = heard, now
elseif now - last >= rest then
    failures = 0
end
local known = origin ~= '' and redis.call('HEXISTS', KEYS[1], origin) == 1
local until_then = now
if failures >= (known and most or strangers) then
    until_then = last + rest
elseif failures > 0 and failures >= free and not known then
    until_then = last + math.min(first * 2 ^ (failures - free), longest)
end
if until_then > now then
    return { math.ceil(until_then - now), failures }
end
redis.call('HSET', KEYS[1], 'failures', failures + 1, 'last', string.format('%.0f', now))
local keep = math.ceil(rest / 1000)
if redis.call('PTTL', KEYS[1]) < keep then
    redis.call('PEXPIRE', KEYS[1], keep)
end
return { 0, failures + 1 }
