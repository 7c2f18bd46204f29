"""Pictures and outputs that are not on a local file system: buckets, and lists of addresses."""
