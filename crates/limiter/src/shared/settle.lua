-- Counts cells of a key that a process has given away already. KEYS: the key. ARGV: the interval in microseconds, the
-- burst, how many. Returns for how many microseconds there is no other. Debt is bounded by one burst.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, burst, count = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local arrival = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + interval * count
arrival = math.min(arrival, now + 2 * interval * burst)
redis.call('SET', KEYS[1], string.format('%.0f', arrival), 'PX', math.ceil((arrival - now) / 1000))
return math.max(0, math.ceil(arrival + interval - interval * burst - now))
