-- Gives the lease up, if this server holds it, and withdraws its demand; others take over at once.
-- KEYS: lease, demand. ARGV: server, wake channel.
local lease = redis.call('TYPE', KEYS[1]).ok == 'string' and redis.call('GET', KEYS[1]) or ''
if string.match(lease, '^(.+):%d+$') == ARGV[1] then redis.call('DEL', KEYS[1]) end
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('PUBLISH', ARGV[2], ARGV[1])
