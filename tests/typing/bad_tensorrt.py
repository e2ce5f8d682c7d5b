"""Wrong on purpose, on every line marked so: `tools/check_tensorrt_types.py` must see each; nothing runs this."""

import tensorrt as trt

from streamseg.infer.backends.tensorrt.library import Library


def build(library: Library, builder: trt.Builder, config: trt.IBuilderConfig) -> None:
    config.max_workspace_size = 1 << 30  # wrong: went with 10
    config.set_flag(trt.BuilderFlag.STRICT_TYPES)  # wrong: went with 10
    config.set_flag(trt.BuilderFlag.FP16)  # wrong in 11: precision stands in the graph
    builder.create_optimization_profile().set_shape("image", trt.Dims((1, 3)), trt.Dims((1, 3)))  # wrong: no most
    library.module.Bilder(library.logger)  # wrong: misspelt
    builder.build_engine(builder.create_network(0), config)  # wrong: went with 10


def run(context: trt.IExecutionContext, stream: int) -> None:
    context.execute_async_v2([0], stream)  # wrong: went with 10
    context.set_tensor_adress("image", 0)  # wrong: misspelt
    context.set_tensor_address("image", "0")  # wrong: no number
    context.execute_async_v3(stream)
