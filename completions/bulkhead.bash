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

_bulkhead() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local verbs='run create exec grant revoke freeze thaw kill stop list status capabilities check explain diff'
    local global='--bus --root --json --quiet --help --version'
    local process='-e --environment -w --working-directory -u --user -i --interactive'
    local sandbox='-c --capability -t --template --name'
    local verb='' options='' i names=0

    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            --bus | --root) ((i++)) ;;
            -*) ;;
            *)
                if [[ -z $verb ]]; then verb=${COMP_WORDS[i]}; else ((++names)); fi
                ;;
        esac
    done

    COMPREPLY=()
    case $previous in
        --bus)
            mapfile -t COMPREPLY < <(compgen -W 'system session' -- "$current")
            return
            ;;
        --root)
            mapfile -t COMPREPLY < <(compgen -d -- "$current")
            return
            ;;
        -c | --capability)
            mapfile -t COMPREPLY < <(compgen -W "$(_bulkhead_ask capabilities)" -- "$current")
            return
            ;;
        -s | --signal)
            mapfile -t COMPREPLY < <(compgen -A signal -- "$current")
            return
            ;;
        -t | --template | -e | --environment | -w | --working-directory | -u | --user | --name) return ;;
    esac

    if [[ $current == -* ]]; then
        case $verb in
            run) options="$sandbox $process --keep --timings" ;;
            create) options="$sandbox -e --environment" ;;
            exec) options=$process ;;
            kill) options='-s --signal' ;;
            stop) options='--all' ;;
            check) options='--sarif' ;;
            explain) options='--dot' ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "$global $options" -- "$current")
        return
    fi

    case $verb in
        '') mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$current") ;;
        exec | kill | status)
            ((names == 0)) && mapfile -t COMPREPLY < <(compgen -W "$(_bulkhead_ask list)" -- "$current")
            ;;
        freeze | thaw | stop) mapfile -t COMPREPLY < <(compgen -W "$(_bulkhead_ask list)" -- "$current") ;;
        grant | revoke)
            if ((names == 0)); then
                mapfile -t COMPREPLY < <(compgen -W "$(_bulkhead_ask list)" -- "$current")
            else
                mapfile -t COMPREPLY < <(compgen -W "$(_bulkhead_ask capabilities)" -- "$current")
            fi
            ;;
        capabilities | explain)
            mapfile -t COMPREPLY < <(compgen -W "$(_bulkhead_ask capabilities)" -- "$current")
            ;;
    esac
}

complete -o default -F _bulkhead bulkhead
