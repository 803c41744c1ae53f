"""The simulated exchange: matching, latency, queues, fees, filters, the account; no network."""
