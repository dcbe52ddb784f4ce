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
    local program= options
    if ((COMP_CWORD > 1)) && [[ ${COMP_WORDS[1]} == @(agent|archive) ]]; then
        program=${COMP_WORDS[1]}
    fi
    COMPREPLY=()
    case $program$prev in
        -c)
            _sipstream_words "alias capture clear conversation delete diagnose exit export filter follow help keylog list load run save set show source tail top unalias unfollow unset untail unwatch up watch" "$cur"
            return
            ;;
        --live|agent--live)
            _sipstream_words "any $(_sipstream_interfaces)" "$cur"
            return
            ;;
        --tail|--hep-key|--keylog|--nats-creds|--nats-ca|--write|--append|agent--tail|agent--hep-key|agent--keylog|agent--nats-creds|agent--nats-ca|archive--nats-creds|archive--nats-ca|archive--keylog)
            _sipstream_names -f "$cur"
            return
            ;;
        --bpf|--hep|--hep-allow|--prometheus|--send-hep|--tap|--nats|--bus|--since|--ring-size|--ring-time|--run|--memory|--keep|--keep-calls|--spool-size|agent--bpf|agent--hep|agent--hep-allow|agent--prometheus|agent--tap|agent--memory|agent--keep|agent--keep-calls|agent--spool-size|agent--nats|agent--publish-size|agent--partitions|agent--stream-age|agent--stream-size|agent--stream-replicas|archive--bus|archive--flush)
            :
            return
            ;;
        --user|agent--user|archive--user)
            _sipstream_words "$(compgen -u)" "$cur"
            return
            ;;
        --write-ring|--spool-dir|agent--spool-dir)
            _sipstream_names -d "$cur"
            return
            ;;
        --on|--filter|--follow)
            _sipstream_words "body callid codec diversion domain dstip dstnum duration endpoint final finding has header interface ip last media messages method number pai port ppi reason retransmissions setup since srcip srcnum state status stir tap telnum transport ua until uri user" "$cur"
            return
            ;;
        --format)
            _sipstream_words "pcap pcapng text ndjson csv markdown mermaid svg html" "$cur"
            return
            ;;
    esac
    case $program in
        archive) options="-h --help --bus --nats-creds --nats-ca --flush --keylog --user" ;;
        agent) options="-h --help --live --tail --from-now --bpf --hep --hep-allow --hep-key --keylog --user --prometheus --tap --memory --keep --keep-calls --spool-dir --spool-size --nats --nats-creds --nats-ca --publish --publish-size --partitions --stream-age --stream-size --stream-replicas" ;;
        *) options="-h --help -c --live --tail --from-now --bpf --hep --hep-allow --hep-key --keylog --user --prometheus --send-hep --tap --nats --nats-creds --nats-ca --bus --since --narrow --rtp --write --write-ring --ring-size --ring-time --on --append --run --format --redact --no-redact --memory --keep --keep-calls --spool-dir --spool-size --filter --follow --messages --flow -q --quiet --json --no-color --version" ;;
    esac
    if [[ $cur == -* ]]; then
        _sipstream_words "$options" "$cur"
    else
        _sipstream_names -f "$cur"
        if ((COMP_CWORD == 1)); then
            mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -W "agent archive" -- "$cur")
        fi
    fi
}

complete -F _sipstream sipstream
