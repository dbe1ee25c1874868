"""The trainer of the stage `finetune`."""
