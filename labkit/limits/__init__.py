"""What a scheme costs, by formula: collectives today; scaling laws and the search for a strategy stand on them."""
