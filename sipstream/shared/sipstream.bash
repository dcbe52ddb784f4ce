# Completion of sipstream's options, made by `python -m sipstream.manual`.

_sipstream_words()
{
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

_sipstream_names()
{
    mapfile -t COMPREPLY < <(compgen "$1" -- "$2")
    compopt -o filenames 2>/dev/null
}

_sipstream_interfaces()
{
    local path
    for path in /sys/class/net/*; do
        printf '%s\n' "${path##*/}"
    done
}

_sipstream()
{
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    # --live=eth0 comes as three words.
    if [[ $cur == = ]]; then
        cur=
    elif [[ $prev == = ]]; then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    COMPREPLY=()
    case $prev in
        -c)
            _sipstream_words "alias capture clear conversation delete diagnose exit export filter follow help keylog list load run save set show source tail top unalias unfollow unset untail unwatch up watch" "$cur"
            return
            ;;
        --live)
            _sipstream_words "any $(_sipstream_interfaces)" "$cur"
            return
            ;;
        --tail|--hep-key|--keylog|--nats-creds|--nats-ca|--write|--append)
            _sipstream_names -f "$cur"
            return
            ;;
        --bpf|--hep|--hep-allow|--prometheus|--send-hep|--nats|--bus|--since|--ring-size|--ring-time|--run|--memory|--keep|--keep-calls|--spool-size)
            :
            return
            ;;
        --user|--tap|--format)
            _sipstream_words "$(compgen -u)" "$cur"
            return
            ;;
        --write-ring|--spool-dir)
            _sipstream_names -d "$cur"
            return
            ;;
        --on|--filter|--follow)
            _sipstream_words "body callid codec diversion domain dstip dstnum duration endpoint final finding has header interface ip last media messages method number pai port ppi reason retransmissions setup since srcip srcnum state status stir tap telnum transport ua until uri user" "$cur"
            return
            ;;
    esac
    if [[ $cur == -* ]]; then
        _sipstream_words "-h --help -c --live --tail --from-now --bpf --hep --hep-allow --hep-key --keylog --user --prometheus --send-hep --tap --nats --nats-creds --nats-ca --bus --since --narrow --rtp --write --write-ring --ring-size --ring-time --on --append --run --format --redact --no-redact --memory --keep --keep-calls --spool-dir --spool-size --filter --follow --messages --flow -q --quiet --json --no-color --version" "$cur"
    else
        _sipstream_names -f "$cur"
    fi
}

complete -F _sipstream sipstream
