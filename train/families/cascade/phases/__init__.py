"""The phases of a training, one file each: how one step of it is made."""
