"""Trading on the exchange server: accounts, their orders and trades, what is asked of them and told about them."""
