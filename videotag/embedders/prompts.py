"""What some models expect before a text."""

import re

# The pairs that the model cards of the e5 family ask for; their older configs do not carry them as prompts.
E5_PROMPTS = {"query": "query: ", "document": "passage: "}
E5_INSTRUCT_PROMPTS = {
    "query": "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: ",
    "document": "",
}


def missing_prompts(model: str) -> dict[str, str]:
    """What a model of the e5 family expects before its texts, told by its name; {} for the other models."""
    folder_or_name = re.split(r"[/\\]", model.rstrip("/\\"))[-1].lower()
    if not re.search(r"(^|[-_.])e5([-_.]|$)", folder_or_name):
        return {}
    return E5_INSTRUCT_PROMPTS if "instruct" in folder_or_name else E5_PROMPTS
