"""Lets accelerate shard on a CPU, which torch can and accelerate does on accelerators alone.

Python imports this by itself where its folder is on PYTHONPATH. What each process then holds of the
parameters is written to a file of its own in the folder that FSDP_SHARDS names.
"""

import json
import os
from pathlib import Path

if os.environ.get("ACCELERATE_USE_FSDP") == "true":
    from accelerate import Accelerator
    from accelerate.state import DistributedType, PartialState

    begin, prepare = PartialState.__init__, Accelerator._prepare_fsdp2

    def begun(self, *arguments, **options):
        begin(self, *arguments, **options)
        if self.distributed_type is DistributedType.MULTI_CPU:
            self.distributed_type = DistributedType.MULTI_XPU  # of those that may shard

    def prepared(self, *arguments, **options):
        result = prepare(self, *arguments, **options)
        [model] = [part for part in result if hasattr(part, "named_parameters")]
        sizes = {
            name: [value.numel(), value.to_local().numel()]
            for name, value in model.named_parameters()
        }
        Path(os.environ["FSDP_SHARDS"], str(os.getpid())).write_text(json.dumps(sizes))
        return result

    PartialState.__init__, Accelerator._prepare_fsdp2 = begun, prepared
