# Cleans up after xtask, however it ended: nobody else holds the other end of standard input.
#
# $1       the directory of the cluster
# stdin    process ids, one a line, of what uses the cluster; the last one counts, empty means none

trap '' HUP INT TERM

runner=
while read -r line; do
    runner=$line
done

if [ -n "$runner" ]; then
    kill -TERM "$runner" 2>/dev/null
fi

pid_file=$1/data/postmaster.pid
if postmaster=$(head -n 1 "$pid_file" 2>/dev/null) && [ -n "$postmaster" ]; then
    kill -INT "$postmaster" 2>/dev/null
    # PostgreSQL removes the file as its last act.
    tries=200
    while [ -e "$pid_file" ] && [ "$tries" -gt 0 ]; do
        sleep 0.05
        tries=$((tries - 1))
    done
    if [ -e "$pid_file" ]; then
        kill -QUIT "$postmaster" 2>/dev/null
    fi
fi

# Again while something that is just ending still writes there.
tries=20
until rm -rf -- "$1" 2>/dev/null || [ "$tries" -eq 0 ]; do
    sleep 0.1
    tries=$((tries - 1))
done
