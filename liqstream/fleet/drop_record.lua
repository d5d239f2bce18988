-- Forgets a record of an owner; what changes is noted with a growing number.
-- KEYS: the owner's records, owners, changes, figures (a hash: total, version).
-- ARGV: owner, id, changes kept.
-- Returns 1 if there was one, else 0.
if redis.call('HDEL', KEYS[1], ARGV[2]) == 0 then return 0 end
redis.call('HINCRBY', KEYS[4], 'total', -1)
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('SREM', KEYS[2], ARGV[1]) end
local version = redis.call('HINCRBY', KEYS[4], 'version', 1)
redis.call('ZADD', KEYS[3], version, ARGV[1] .. ':' .. ARGV[2])
redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - tonumber(ARGV[3]))
return 1
