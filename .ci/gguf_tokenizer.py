"""Writes the tokenizer metadata of a GGUF file as JSON, and its chat template as it is. Standard library only.

    python3 gguf_tokenizer.py MODEL.gguf VOCABULARY.json TEMPLATE.jinja

The tests compare osler's own reader with this one (OSLER_SMOLLM2_VOCABULARY, OSLER_SMOLLM2_TEMPLATE).
"""

import json
import struct
import sys

# GGUF's numbers for value types, as struct's letters; 8 is a string, 9 an array.
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9

NAMES = ["model", "pre", "tokens", "merges", "bos_token_id", "eos_token_id", "eot_token_id", "unknown_token_id",
         "padding_token_id", "add_bos_token", "add_eos_token"]


def main():
    model, vocabulary, template = sys.argv[1:]
    with open(model, "rb") as file:
        def number(letter):
            layout = struct.Struct("<" + letter)
            return layout.unpack(file.read(layout.size))[0]

        def value(kind):
            if kind == STRING:
                return file.read(number("Q")).decode()
            if kind == ARRAY:
                item, count = number("I"), number("Q")
                return [value(item) for _ in range(count)]
            return number(SCALARS[kind])

        if file.read(4) != b"GGUF" or number("I") not in (2, 3):
            raise SystemExit(model + " is not a GGUF file of version 2 or 3")
        number("Q")  # tensors, not read here
        fields = {}
        for _ in range(number("Q")):
            key = value(STRING)
            fields[key] = value(number("I"))

    read = {name: fields.get("tokenizer.ggml." + name) for name in NAMES}
    read["token_types"] = fields.get("tokenizer.ggml.token_type", [])
    read["chat_template"] = fields.get("tokenizer.chat_template")
    read["name"] = fields.get("general.name")
    with open(vocabulary, "w", encoding="utf-8") as out:
        json.dump(read, out)
    with open(template, "w", encoding="utf-8", newline="") as out:
        out.write(read["chat_template"] or "")


if __name__ == "__main__":
    main()
