"""Alerts that go out: rules on the map and on what happens, to a webhook, Telegram or Discord."""
