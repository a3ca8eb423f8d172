#!/usr/bin/env bash
# A real SLURM of four virtual nodes on this machine, everything on loopback and below one folder (Debian packages, root).
#   slurm.sh up DIR     then SLURM_CONF=DIR/slurm.conf is all a client needs
#   slurm.sh node DIR NODE   starts one node's daemon
#   slurm.sh down DIR   stops exactly the processes started by `up` (their pids are in DIR/pids)
# Environment: CLUSTER_PORT (first of 16 ports), CLUSTER_ACCOUNTING (1: slurmdbd and mariadb), CLUSTER_ARRAY (MaxArraySize)
set -euo pipefail
trap 'echo "slurm.sh: line $LINENO: $BASH_COMMAND" >&2' ERR
ACTION=$1 D=$2
PORT=${CLUSTER_PORT:-17600} ACCOUNTING=${CLUSTER_ACCOUNTING:-1} ARRAY=${CLUSTER_ARRAY:-1001}
NODES=4 CPUS=4 MEMORY=4000

mine() {  # is process $2 still the daemon $1 that we started, rather than a later one of that number?
  [ -r "/proc/$2/cmdline" ] && tr '\0' ' ' <"/proc/$2/cmdline" | grep -q "^[^ ]*${1%%-*}"
}

down() {
  [ -s "$D/pids" ] || return 0
  export SLURM_CONF=$D/slurm.conf
  if timeout 3 scontrol ping 2>/dev/null | grep -q UP; then  # steps would outlive the daemons
    timeout 5 scancel -u "$(id -un)" 2>/dev/null || true
    for _ in $(seq 80); do [ -z "$(timeout 3 squeue -h 2>/dev/null || true)" ] && break; sleep .1; done
  fi
  tac "$D/pids" | while read -r name pid; do
    mine "$name" "$pid" || continue
    kill -TERM "$pid"
    for _ in $(seq 50); do mine "$name" "$pid" || break; sleep .1; done
    mine "$name" "$pid" && kill -KILL "$pid"
  done
  rm -f "$D/pids"
}

packages() {
  local wanted=(munge slurmctld slurmd slurm-client) missing=() package
  [ "$ACCOUNTING" = 1 ] && wanted+=(slurmdbd mariadb-server-core mariadb-client-core)
  for package in "${wanted[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  export DEBIAN_FRONTEND=noninteractive
  apt-get -o DPkg::Lock::Timeout=120 -qq update >/dev/null 2>&1 || true
  apt-get -o DPkg::Lock::Timeout=120 install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

start_munge() {  # own key and socket
  SOCKET=$D/munge/munge.socket
  dd if=/dev/urandom bs=1 count=1024 of="$D/munge/munge.key" status=none
  chmod 400 "$D/munge/munge.key"
  munged --force --key-file="$D/munge/munge.key" --socket="$SOCKET" --pid-file="$D/munge/munged.pid" \
    --log-file="$D/munge/munged.log" --seed-file="$D/munge/munged.seed" --num-threads=2 2>"$D/log/munged.err"
  chmod 711 "$D/munge"
  for _ in $(seq 50); do [ -s "$D/munge/munged.pid" ] && break; sleep .1; done
  echo "munged $(cat "$D/munge/munged.pid")" >>"$D/pids"
}

start_accounting() {  # a database that only a unix socket reaches, and slurmdbd
  local database=$D/db/my.sock
  mariadb-install-db --no-defaults --auth-root-authentication-method=socket --user=root --datadir="$D/db/data" \
    --skip-test-db >"$D/log/install-db.log" 2>&1
  setsid mariadbd --no-defaults --user=root --datadir="$D/db/data" --socket="$database" --skip-networking \
    --pid-file="$D/db/my.pid" --innodb-buffer-pool-size=64M --innodb-lock-wait-timeout=900 \
    --innodb-flush-log-at-trx-commit=0 --performance-schema=OFF >"$D/log/mariadbd.log" 2>&1 </dev/null &
  echo "mariadbd $!" >>"$D/pids"
  for _ in $(seq 100); do mariadb --no-defaults -S "$database" -u root -e 'select 1' >/dev/null 2>&1 && break; sleep .1; done
  mariadb --no-defaults -S "$database" -u root -e "create database slurm_acct_db;"
  cat >"$D/slurmdbd.conf" <<EOC
AuthType=auth/munge
AuthInfo=socket=$SOCKET
DbdHost=localhost
DbdAddr=$ADDRESS
DbdPort=$((PORT + 2))
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm_acct_db
LogFile=$D/log/slurmdbd.log
PidFile=$D/state/slurmdbd.pid
CommunicationParameters=NoInAddrAny
EOC
  chmod 600 "$D/slurmdbd.conf"
  MYSQL_UNIX_PORT=$database setsid slurmdbd -D >"$D/log/slurmdbd.out" 2>&1 </dev/null &
  echo "slurmdbd $!" >>"$D/pids"
  for _ in $(seq 200); do (exec 3<>"/dev/tcp/$ADDRESS/$((PORT + 2))") 2>/dev/null && break; sleep .1; done
}

configure() {
  local accounting="AccountingStorageType=accounting_storage/none"
  if [ "$ACCOUNTING" = 1 ]; then  # the password is the socket: else slurmctld asks the machine's own munge
    accounting=$(printf 'AccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost=%s\n' "$ADDRESS"
      printf 'AccountingStoragePort=%s\nAccountingStoragePass=%s\n' $((PORT + 2)) "$SOCKET"
      printf 'AccountingStorageEnforce=limits')
  fi
  # cred_expire: a requeued job waits that long and a second (120 by default) before it starts again
  cat >"$D/slurm.conf" <<EOC
ClusterName=test
SlurmctldHost=$HOST($ADDRESS)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$SOCKET,cred_expire=5
SlurmctldPort=$PORT
SlurmctldParameters=preempt_send_user_signal
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation=$D/state
SlurmdSpoolDir=$D/spool/%n
SlurmctldPidFile=$D/state/slurmctld.pid
SlurmdPidFile=$D/state/slurmd-%n.pid
SlurmctldLogFile=$D/log/slurmctld.log
SlurmdLogFile=$D/log/slurmd-%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=$((MEMORY / CPUS))
MaxArraySize=$ARRAY
SchedulerParameters=sched_interval=1,sched_min_interval=10000,batch_sched_delay=0,bf_interval=1
SchedulerType=sched/backfill
PriorityType=priority/basic
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
KillWait=3
MinJobAge=600
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
JobCompType=jobcomp/none
$accounting
NodeName=n[1-$NODES] NodeHostname=$HOST NodeAddr=$ADDRESS Port=[$((PORT + 11))-$((PORT + 10 + NODES))] CPUs=$CPUS RealMemory=$MEMORY State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=10 GraceTime=5
PartitionName=high Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=100 PreemptMode=OFF
EOC
  printf 'ConstrainRAMSpace=no\n' >"$D/cgroup.conf"
}

node() {
  export SLURM_CONF=$D/slurm.conf
  mkdir -p "$D/spool/$1"
  setsid slurmd -D -N "$1" >>"$D/log/slurmd-$1.out" 2>&1 </dev/null &
  echo "slurmd-$1 $!" >>"$D/pids"
}

up() {
  [ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 1; }
  packages
  down
  rm -rf "$D"
  mkdir -p "$D"/{state,log,munge,db}
  chmod 700 "$D/munge"
  : >"$D/pids"
  HOST=$(hostname -s)
  ADDRESS=$(getent ahostsv4 "$HOST" | awk '{print $1; exit}')  # the daemons bind to the address of the host's name
  ADDRESS=${ADDRESS:-127.0.0.1}
  case $ADDRESS in 127.*) ;; *) echo "$HOST is $ADDRESS, not loopback: not starting daemons there" >&2; exit 1 ;; esac
  start_munge
  configure
  export SLURM_CONF=$D/slurm.conf
  if [ "$ACCOUNTING" = 1 ]; then
    start_accounting
    timeout 5 sacctmgr -i add cluster test >/dev/null 2>&1 || true
  fi
  setsid slurmctld -D -c >"$D/log/slurmctld.out" 2>&1 </dev/null &
  echo "slurmctld $!" >>"$D/pids"
  for number in $(seq "$NODES"); do node "n$number"; done
  for _ in $(seq 150); do
    [ "$(timeout 2 sinfo -h -p main -t idle -o %D 2>/dev/null || true)" = "$NODES" ] && return
    sleep .1
  done
  echo "the nodes are not idle after 15 s" >&2
  tail -n 3 "$D"/log/*.out >&2
  exit 1
}

"$ACTION" "${@:3}"
