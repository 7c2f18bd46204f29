"""Pictures and action-unit labels as a training reads them."""
