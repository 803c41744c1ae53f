"""The simulated exchange: matching, latency, queues, fees, filters and the account, with no network behind it."""
