"""Commands for people; DVC runs none of them."""
