"""Label tables: what they say of pictures, and which picture each row is of."""
