"""How weights become engines: ONNX, half precision, parity, engine directories."""
