# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion of bulkhead(1): verbs, options, and the live names of sandboxes and capabilities.

# Prints a column of what the service knows; nothing if there is no service. The connection options that are on
# the line already ("--bus session") are used here too.
_bulkhead_ask() {
    local -a connection=()
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            --bus | --root) connection+=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]}") ;;
        esac
    done
    timeout 1 "${COMP_WORDS[0]}" "${connection[@]}" --quiet "$1" 2>/dev/null | awk '{ print $1 }'
}

# Words that begin with what is typed. A name can have no character that a shell would take for its own.
_bulkhead_words() {
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "${COMP_WORDS[COMP_CWORD]}")
}

# bash takes a ':' for the end of a word ("1000:maps"): what stands before it is typed already, and must not come again.
_bulkhead_names() {
    local i=$COMP_CWORD typed=${COMP_WORDS[COMP_CWORD]} before=''
    if [[ $typed == : ]]; then
        before=${COMP_WORDS[i - 1]}: typed=''
    elif ((i >= 2)) && [[ ${COMP_WORDS[i - 1]} == : ]]; then
        before=${COMP_WORDS[i - 2]}:
    fi
    mapfile -t COMPREPLY < <(compgen -W "$(_bulkhead_ask "$1")" -- "$before$typed")
    COMPREPLY=("${COMPREPLY[@]#"$before"}")
}

_bulkhead() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local verbs='run create exec shell grant revoke mount unmount freeze thaw snapshot kill stop list status top events doctor
        capabilities check explain diff'
    local global='--bus --root --json --quiet --help --version'
    local process='-e --environment -w --working-directory -u --user -i --interactive -T --terminal'
    local sandbox='-c --capability -t --template -b --bind --name'
    local verb='' options='' i names=0

    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            --bus | --root | -[cetwubsnd] | --capability | --template | --environment | --working-directory | --user | \
                --bind | --name | --signal | --count | --delay) ((++i)) ;;
            -* | :) ;;
            *)
                if [[ -z $verb ]]; then
                    verb=${COMP_WORDS[i]}
                elif [[ ${COMP_WORDS[i - 1]} != : ]]; then
                    ((++names))
                fi
                ;;
        esac
    done
    # "1000:" and what follows is one name, the one that is being typed.
    [[ $current == : || $previous == : ]] && ((names > 0)) && ((--names))

    COMPREPLY=()
    case $previous in
        --bus) _bulkhead_words 'system session' && return ;;
        --root) mapfile -t COMPREPLY < <(compgen -d -- "$current") && return ;;
        -c | --capability) _bulkhead_names capabilities && return ;;
        -s | --signal) mapfile -t COMPREPLY < <(compgen -A signal -- "$current") && return ;;
        -b | --bind) mapfile -t COMPREPLY < <(compgen -f -- "$current") && return ;;
        -t | --template | -e | --environment | -w | --working-directory | -u | --user | --name | -n | --count | \
            -d | --delay) return ;;
    esac

    if [[ $current == -* ]]; then
        case $verb in
            run) options="$sandbox $process --keep --timings" ;;
            create) options="$sandbox -e --environment" ;;
            exec | shell) options=$process ;;
            kill) options='-s --signal' ;;
            stop) options='--all' ;;
            top) options='-n --count -d --delay' ;;
            events) options='-n --count' ;;
            doctor) options='--leaks --fix' ;;
            check) options='--sarif' ;;
            explain) options='--dot' ;;
        esac
        _bulkhead_words "$global $options"
        return
    fi

    case $verb in
        '') _bulkhead_words "$verbs" ;;
        exec | shell | kill | status | mount | unmount | snapshot) ((names == 0)) && _bulkhead_names list ;;
        freeze | thaw | stop) _bulkhead_names list ;;
        grant | revoke) if ((names == 0)); then _bulkhead_names list; else _bulkhead_names capabilities; fi ;;
        capabilities | explain) _bulkhead_names capabilities ;;
        check | diff) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    esac
}

complete -o default -F _bulkhead bulkhead
