"""What a person sees: the Gradio app, one module per tab, and the command line.

Gradio and the Hugging Face hub read their telemetry switches when they are imported, so they are set here, before any
module of this package can import them: nothing that is typed into the chat leaves the machine.
"""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
