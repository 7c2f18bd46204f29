"""A page on this machine to try edits on: `efgan-rt studio`.

The page is ours alone (`page/`), the server Starlette's and uvicorn's; it works through the public
`Editor`, and a folder's run is `efgan-rt batch` in a process of its own.
"""
