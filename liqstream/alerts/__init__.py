"""Alerts that go out: rules on maps and liquidations, delivered to a webhook, Telegram or Discord."""
