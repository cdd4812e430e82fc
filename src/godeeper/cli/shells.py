"""Completion scripts for bash, zsh and fish.

The scripts contain all valid words, so they never start godeeper during completion.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence

from .completion import Command, Option, Value


def every(command: Command) -> Iterator[Command]:
    """The command and all its subcommands."""
    yield command
    for child in command.children:
        yield from every(child)


def bash(root: Command) -> str:
    """The bash script, for ``source <(godeeper completion bash)``."""
    commands = list(every(root))
    known = "|".join(f'"{join(each)}"' for each in commands[1:])
    valued = [(each, option, option.value) for each in commands for option in each.options if option.value]
    skipped = "|".join(bash_pattern(each, option) for each, option, _ in valued)
    return f"""\
# bash completion for godeeper, made by: godeeper completion bash
_godeeper() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} command= each words= kind= place=0 number
    COMPREPLY=()
    [[ $word == = ]] && word=  # bash splits --option=value into three words
    [[ $before == = ]] && before=${{COMP_WORDS[COMP_CWORD - 2]}}
    for ((number = 1; number < COMP_CWORD; number++)); do
        each=${{COMP_WORDS[number]}}
        case "$command $each" in
        {skipped})
            [[ ${{COMP_WORDS[number + 1]}} == = ]] && ((number++))
            ((number++))
            continue ;;
        esac
        [[ $each == -?* ]] && continue
        each=${{command:+$command }}$each
        case $each in
        {known}) command=$each ;;
        *) ((place++)) ;;
        esac
    done
{bash_candidates(commands, valued)}
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    case $kind in
    files) ;;  # readline completes these, because of complete -o default
    folders) compopt -o dirnames +o default 2> /dev/null ;;
    *) compopt +o default 2> /dev/null ;;
    esac
    return 0
}}
complete -o default -F _godeeper godeeper
"""


def bash_candidates(commands: Sequence[Command], valued: Iterable[tuple[Command, Option, Value]]) -> str:
    """The case statement that sets ``words`` and ``kind`` for the word to complete; ``valued``: options that take a value."""
    values = "\n".join(
        f"        {bash_pattern(each, option)}) {bash_value(value)} ;;" for each, option, value in valued
    )
    options = "\n".join(
        f'        "{join(each)}") words="{" ".join(name for option in each.options for name in option.names)}" ;;'
        for each in commands
    )
    places = "\n".join(line for each in commands for line in bash_places(each))
    return f"""\
    case "$command $before" in
{values}
        *)
            if [[ $word == -* ]]; then
                case $command in
{options}
                esac
            else
                case "$command $place" in
{places}
                esac
            fi ;;
    esac"""


def bash_pattern(command: Command, option: Option) -> str:
    """A case pattern that matches a command followed by one of its option's names."""
    return "|".join(f'"{join(command)} {name}"' for name in option.names)


def bash_value(value: Value) -> str:
    """The shell assignments that describe the valid values."""
    kind = "folders" if value.folders else "files" if value.files else ""
    return f'words="{" ".join(value.words)}" kind={kind}'


def bash_places(command: Command) -> Iterator[str]:
    """A branch of a case statement for each positional argument of a command."""
    if command.children:
        words = " ".join(child.words[-1] for child in command.children)
        yield f'                "{join(command)} 0") words="{words}" ;;'
    for number, value in enumerate(command.values):
        last = command.more and number == len(command.values) - 1
        where = f'"{join(command)} "*' if last else f'"{join(command)} {number}"'
        yield f"                {where}) {bash_value(value)} ;;"


def join(command: Command) -> str:
    """The command's words, joined by spaces."""
    return " ".join(command.words)


def zsh(root: Command) -> str:
    """The zsh script, for ``source <(godeeper completion zsh)`` or a file called ``_godeeper`` in ``fpath``."""
    functions = "\n".join(zsh_function(each) for each in reversed(list(every(root))))
    return f"""\
#compdef godeeper
# zsh completion for godeeper, made by: godeeper completion zsh
{functions}
if [[ $funcstack[1] == _godeeper ]]; then
    _godeeper "$@"
else
    compdef _godeeper godeeper
fi
"""


def zsh_function(command: Command) -> str:
    """The shell function that completes the arguments of a command."""
    name = "_".join(("_godeeper", *command.words))
    specs = [shlex.quote(spec) for option in command.options for spec in zsh_option(option)]
    if not command.children:
        specs += [shlex.quote(spec) for spec in zsh_places(command)]
        return f"{name}() {{\n    _arguments {' '.join(specs)}\n}}"
    listed = " ".join(shlex.quote(f"{child.words[-1]}:{child.summary}") for child in command.children)
    cases = "\n".join(f"            {child.words[-1]}) {name}_{child.words[-1]} ;;" for child in command.children)
    return f"""{name}() {{
    local context state state_descr line
    typeset -A opt_args
    _arguments -C {" ".join(specs)} '1: :->command' '*:: :->rest'
    case $state in
        command) local -a commands; commands=({listed}); _describe command commands ;;
        rest) case $words[1] in
{cases}
        esac ;;
    esac
}}"""


def zsh_option(option: Option) -> Iterator[str]:
    """An ``_arguments`` spec for each of the option's names."""
    for name in option.names:
        taken = "=" if option.value and name.startswith("--") else ""
        yield f"{name}{taken}[{zsh_text(option.summary)}]{zsh_value(option.value) if option.value else ''}"


def zsh_places(command: Command) -> Iterator[str]:
    """An ``_arguments`` spec for each positional argument."""
    for number, value in enumerate(command.values):
        last = command.more and number == len(command.values) - 1
        yield f"{'*' if last else number + 1}{zsh_value(value)}"


def zsh_value(value: Value) -> str:
    """The ``:title:action`` part of a spec."""
    words = f"({' '.join(value.words)})"
    if value.words and value.files:
        action = f'{{_alternative "words:name:{words}" "files:file:_files"}}'
    elif value.words:
        action = words
    else:
        action = "_files -/" if value.folders else "_files" if value.files else " "
    return f":{zsh_text(value.title)}:{action}"


def zsh_text(text: str) -> str:
    """Text escaped for use in a spec."""
    return "".join(f"\\{each}" if each in "[]:\\" else each for each in text)


def fish(root: Command) -> str:
    """The fish script, for the file ``godeeper.fish`` in fish's completions folder."""
    lines = [line for each in every(root) for line in fish_lines(each)]
    return (
        """\
# fish completion for godeeper, made by: godeeper completion fish
function __godeeper_is --description 'Whether the command line starts with these words'
    set -l words (commandline -opc)
    set -l last (math 1 + (count $argv))
    test (count $words) -ge $last; and test "$argv" = "$words[2..$last]"
end
complete -c godeeper -e
"""
        + "\n".join(lines)
        + "\n"
    )


def fish_lines(command: Command) -> Iterator[str]:
    """The ``complete`` commands for the arguments of a command."""
    here = f"__godeeper_is {join(command)}" if command.words else "true"
    start = f"complete -c godeeper -n {shlex.quote(here)}"
    depth = len(command.words) + 1
    if command.children or not any(value.files or value.folders for value in command.values):
        alone = f"{here}; and test (count (commandline -opc)) -eq {depth}" if command.children else here
        yield f"complete -c godeeper -n {shlex.quote(alone)} -f"
    for child in command.children:
        alone = f"{here}; and test (count (commandline -opc)) -eq {depth}"
        yield f"complete -c godeeper -n {shlex.quote(alone)} -a {child.words[-1]} -d {shlex.quote(child.summary)}"
    for option in command.options:
        if not command.words and option.names != ("-h", "--help"):
            yield f"complete -c godeeper -n 'test (count (commandline -opc)) -eq 1' {fish_option(option)}"
        else:
            yield f"{start} {fish_option(option)}"
    words = " ".join(word for value in command.values for word in value.words)
    if words:
        yield f"{start} -a {shlex.quote(words)}"


def fish_option(option: Option) -> str:
    """The arguments of ``complete`` for an option: its names, summary and values."""
    names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
    text = f"{names} -d {shlex.quote(option.summary)}"
    value = option.value
    if value is None:
        return text
    words = f" -a {shlex.quote(' '.join(value.words))}" if value.words else ""
    if value.folders:
        return f"{text} -x -a '(__fish_complete_directories)'"
    return f"{text} {'-r -F' if value.files else '-x'}{words}"
