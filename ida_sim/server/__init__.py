"""The simulated exchange as a local server that speaks Binance's own API."""
