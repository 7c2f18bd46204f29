"""ComfyUI's way in: the folder is copied or linked into `custom_nodes`."""

from .nodes import EditExpression

NODE_CLASS_MAPPINGS = {"EfganEditExpression": EditExpression}
NODE_DISPLAY_NAME_MAPPINGS = {"EfganEditExpression": "Edit expression (efgan-rt)"}

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
