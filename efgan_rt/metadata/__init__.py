"""What a picture file says beside its pixels, container by container."""
