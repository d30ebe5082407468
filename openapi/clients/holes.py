"""Search a client that openapi-python-client made for what is missing, and for `Any`.

    python holes.py DOCUMENT FOLDER

It is `Any` to the generator, too, where an answer has no body (204, 304): that is no hole.
"""

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def main(document: Path, client: Path) -> None:
    """Print each hole on a line."""
    for path in json.loads(document.read_text())["paths"].values():
        for operation in path.values():
            module = client / "api" / operation["tags"][0] / f"{operation['operationId']}.py"
            for fault in _operation_holes(operation, module):
                print(operation["operationId"], fault)
    for module in sorted((client / "models").glob("*.py")):
        for fault in _model_holes(module):
            print(module.stem, fault)


def _operation_holes(operation: dict[str, Any], module: Path) -> Iterator[str]:
    if not module.exists():
        yield "is missing"
        return
    functions = {
        each.name: each
        for each in ast.parse(module.read_text()).body
        if isinstance(each, ast.FunctionDef)
    }
    read = dict(_answers(functions["_parse_response"]))
    for status, answer in operation["responses"].items():
        if "content" not in answer:
            continue
        if status not in read:
            yield f"{status} is missing"
        elif read[status]:
            yield status
    bodies = [each for each in functions["sync_detailed"].args.kwonlyargs if each.arg == "body"]
    if "requestBody" in operation and not bodies:
        yield "body is missing"
    if any(_says_any(each) for each in bodies):
        yield "body"


def _answers(function: ast.FunctionDef) -> Iterator[tuple[str, bool]]:
    """Give each status that is read, and whether what it carries is `Any`."""
    for branch in function.body:
        match branch:
            case ast.If(test=ast.Compare(comparators=[ast.Constant(value=int(status))])):
                loose = any(_says_any(each) or _takes_as_it_is(each) for each in branch.body)
                yield str(status), loose


def _model_holes(module: Path) -> Iterator[str]:
    for each in ast.walk(ast.parse(module.read_text())):
        match each:
            case ast.ClassDef(body=body):
                for field in body:
                    match field:
                        # What a later version adds is kept as it came.
                        case ast.AnnAssign(target=ast.Name(id="additional_properties")):
                            pass
                        case ast.AnnAssign(target=ast.Name(id=name)) if _says_any(field.annotation):
                            yield name


def _takes_as_it_is(statement: ast.stmt) -> bool:
    match statement:
        case ast.Assign(
            value=ast.Call(func=ast.Attribute(value=ast.Name("response"), attr="json"))
        ):
            return True
    return False


def _says_any(tree: ast.AST) -> bool:
    return any(isinstance(each, ast.Name) and each.id == "Any" for each in ast.walk(tree))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
