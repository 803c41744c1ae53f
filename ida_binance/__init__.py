"""The adapter to Binance: decoders, streams, orders and accounts of its wire."""
