// The thread pool: workers spin for some microseconds after a job and then sleep. One job runs at a time; a second caller, or a nested
// region, does its work on its own thread. Which thread does a task never changes a result: tasks write parts of their own.
import CSwiftNN

enum ThreadPool {
    typealias Body = (_ task: Int, _ worker: Int) -> Void

    nonisolated(unsafe) static var processLimit: Int64 = 0
    /// Workers that exist in this process (of this fork generation).
    nonisolated(unsafe) private static var workers = 0
    nonisolated(unsafe) private static var forkGeneration: Int64 = 0
    nonisolated(unsafe) private static var busy: Int64 = 0
    nonisolated(unsafe) private static var parked: Int64 = 0

    // The job. `generation` changes when a new one is published; `open` while it may be joined; `active` workers are inside.
    nonisolated(unsafe) private static var generation: Int64 = 0
    nonisolated(unsafe) private static var open: Int64 = 0
    nonisolated(unsafe) private static var active: Int64 = 0
    nonisolated(unsafe) private static var taskCount = 0
    nonisolated(unsafe) private static var threadCount = 0
    nonisolated(unsafe) private static var body: Body?
    /// Whose job it is: the address of the thread's state, 0 between jobs. Any thread may ask.
    nonisolated(unsafe) private static var owner: Int64 = 0
    /// How often members of a job have met.
    nonisolated(unsafe) private static var arrivals: Int64 = 0

    /// Spins of a worker before it sleeps, each a pause instruction or a few: some 20 microseconds.
    private static var spins: Int { 2000 }

    /// The threads an operation on this thread may use now.
    static var limit: Int {
        let state = snn_thread_state_get().unsafelyUnwrapped
        if state.pointee.in_parallel != 0 { return 1 }
        let own = Int(state.pointee.thread_limit)
        let all = Int(snn_get_num_threads())
        return own > 0 ? own : all
    }

    /// Threads worth using for `work` (multiply-adds, or elements times their cost): a thread is worth waking for some 20 microseconds.
    static func threads(forWork work: Int) -> Int { work < 200_000 ? 1 : min(limit, 1 + work / 200_000) }

    /// Calls body(task, worker) for every task in 0 ..< count, worker < threads.
    static func run(_ count: Int, threads: Int, _ task: Body) {
        let wanted = min(threads, count)
        let state = snn_thread_state_get().unsafelyUnwrapped
        guard wanted > 1, state.pointee.in_parallel == 0, acquire() else {
            var pace = Pace(state)
            for i in 0..<max(count, 0) {
                if pace.stops() { return }
                task(i, 0)
            }
            return
        }
        publish(count, threads: ensure(wanted), task)
    }

    /// Calls body(member, members) once on each of `members` threads, which run at the same time and may `meet`: `threads` of them, or
    /// fewer where there are no more.
    static func together(_ threads: Int, _ body: (_ member: Int, _ members: Int) -> Void) {
        guard threads > 1, snn_thread_state_get().pointee.in_parallel == 0, acquire() else {
            body(0, 1)
            return
        }
        let members = ensure(threads)
        snn_atomic_store(&arrivals, 0)
        publish(members, threads: members) { member, _ in body(member, members) }
    }

    /// Waits until all members have come here for the time that the member's own `meetings` counts. What they wrote before is seen after it.
    /// False once the operation is interrupted: the member returns, and nobody waits for it.
    static func meet(_ meetings: inout Int64, _ members: Int) -> Bool {
        if Interrupt.stops() { return false }
        if members == 1 { return true }
        meetings += 1
        _ = snn_atomic_add(&arrivals, 1)
        var waited = 0
        while snn_atomic_load(&arrivals) < meetings * Int64(members) {
            snn_cpu_pause()
            waited += 1
            if waited > 2_000 {
                if Interrupt.stops() { return false }
                sched_yield()
            }
        }
        return true
    }

    private static func publish(_ count: Int, threads: Int, _ task: Body) {
        // The check that the closure has not escaped is told where it is: without this by the path of the build, whose length gets into code.
        #sourceLocation(file:"ThreadPool.swift",line:91)
        withoutActuallyEscaping(task) { escapable in
            body = escapable
            snn_atomic_store(&owner, address(snn_thread_state_get().unsafelyUnwrapped))
            taskCount = count
            threadCount = threads
            snn_atomic_store(&Interrupt.job, 0)
            for member in 0..<threads { snn_atomic_store(snn_task_counter(Int64(member)), Int64(firstTask(member))) }
            snn_atomic_store(&open, 1)
            _ = snn_atomic_add(&generation, 1)
            if snn_atomic_load(&parked) > 0 {
                snn_pool_lock()
                snn_pool_wake_all()
                snn_pool_unlock()
            }
            work(0)
            snn_atomic_store(&open, 0)
            var waited = 0
            while snn_atomic_load(&active) != 0 {
                snn_cpu_pause()
                waited += 1
                if waited > 20_000 {
                    // The last tasks of the others may be long. In the child of a fork there are no others.
                    if Interrupt.stops() { snn_atomic_store(&Interrupt.job, 1) }
                    if snn_atomic_load(&forkGeneration) != snn_fork_generation() { break }
                    sched_yield()
                }
            }
            body = nil
            snn_atomic_store(&owner, 0)
        }
        #sourceLocation()
        snn_atomic_store(&busy, 0)
    }

    private static func address(_ state: UnsafeMutablePointer<snn_thread_state>) -> Int64 { Int64(Int(bitPattern: state)) }

    static func isOwned(by state: UnsafeMutablePointer<snn_thread_state>) -> Bool { snn_relaxed_load(&owner) == address(state) }

    /// A signal handler forks in the middle of the thread's own job: the workers leave it, which would never end in the child otherwise, and
    /// whose closure they would hold there for ever. Both processes then start the operation again.
    static func leaveBeforeFork() {
        let state = snn_thread_state_get().unsafelyUnwrapped
        guard state.pointee.checking != 0 && isOwned(by: state) else { return }
        snn_atomic_store(&open, 0)
        snn_atomic_store(&Interrupt.job, 1)
        while snn_atomic_load(&active) != 0 { sched_yield() }
    }

    private static func work(_ worker: Int) {
        let state = snn_thread_state_get().unsafelyUnwrapped
        state.pointee.in_parallel = 1
        var pace = Pace(state)
        // Taken once: a count of references that all threads change for every task would go to and fro between their caches.
        let task = body.unsafelyUnwrapped
        share: for turn in 0..<threadCount {
            let member = (worker + turn) % threadCount
            let end = Int64(firstTask(member + 1))
            let counter = snn_task_counter(Int64(member)).unsafelyUnwrapped
            while snn_relaxed_load(counter) < end {
                let i = snn_atomic_add(counter, 1)
                if i >= end { break }
                if pace.stops() { break share }
                task(Int(i), worker)
            }
        }
        state.pointee.in_parallel = 0
    }

    /// Each member begins with tasks of its own, neighbours and the same ones in every call of a shape: what they read and write stays in its
    /// core's cache, and cores that share none do not pass lines to and fro. Who has done its own helps the others.
    private static func firstTask(_ member: Int) -> Int { member * taskCount / threadCount }

    private static func acquire() -> Bool {
        let current = snn_fork_generation()
        if snn_atomic_load(&forkGeneration) != current {
            // The child of a fork: the workers, and whatever job was under way, stayed with the parent.
            snn_pool_lock()
            if forkGeneration != current {
                workers = 0
                parked = 0
                active = 0
                open = 0
                body = nil
                snn_atomic_store(&owner, 0)
                snn_atomic_store(&busy, 0)
                snn_atomic_store(&forkGeneration, current)
            }
            snn_pool_unlock()
        }
        return snn_atomic_compare_exchange(&busy, 0, 1) != 0
    }

    /// Starts the workers that are missing; the threads there are, the caller among them. A system that gives no more is no error.
    private static func ensure(_ threads: Int) -> Int {
        while workers + 1 < threads {
            if snn_start_worker(Int64(workers + 1)) != 0 { break }
            workers += 1
        }
        return min(threads, workers + 1)
    }

    static func workerLoop(_ worker: Int) {
        var seen: Int64 = 0
        while true {
            var spin = 0
            while snn_atomic_load(&generation) == seen && spin < spins {
                snn_cpu_pause()
                spin += 1
            }
            if snn_atomic_load(&generation) == seen {
                snn_pool_lock()
                _ = snn_atomic_add(&parked, 1)
                while snn_atomic_load(&generation) == seen { snn_pool_wait() }
                _ = snn_atomic_add(&parked, -1)
                snn_pool_unlock()
            }
            seen = snn_atomic_load(&generation)
            // Entering before asking whether the job is open: the caller closes it and then waits for those inside.
            _ = snn_atomic_add(&active, 1)
            if snn_atomic_load(&open) != 0 && worker < threadCount { work(worker) }
            _ = snn_atomic_add(&active, -1)
        }
    }
}

@_cdecl("snn_pool_before_fork")
public func snn_pool_before_fork() { ThreadPool.leaveBeforeFork() }

@_cdecl("snn_worker_main") @implementation
public func snn_worker_main(_ index: Int64) { ThreadPool.workerLoop(Int(index)) }

@_cdecl("snn_set_num_threads") @implementation
public func snn_set_num_threads(_ n: Int64) -> snn_status {
    operation { () throws(Failure) in
        guard n >= 1 && n <= Int64(SNN_MAX_THREADS) else {
            throw Message("set_num_threads: n is ").number(Int(n)).text("; it has to be between 1 and ")
                .number(Int(SNN_MAX_THREADS)).valueError
        }
        snn_atomic_store(&ThreadPool.processLimit, n)
    }
}

@_cdecl("snn_get_num_threads") @implementation
public func snn_get_num_threads() -> Int64 {
    let own = snn_thread_state_get().pointee.thread_limit
    if own > 0 { return own }
    let n = snn_atomic_load(&ThreadPool.processLimit)
    if n > 0 { return n }
    let chosen = CpuCount.defaultThreads()
    _ = snn_atomic_compare_exchange(&ThreadPool.processLimit, 0, Int64(chosen))
    return snn_atomic_load(&ThreadPool.processLimit)
}

@_cdecl("snn_set_thread_limit") @implementation
public func snn_set_thread_limit(_ n: Int64) -> Int64 {
    let state = snn_thread_state_get().unsafelyUnwrapped
    let before = state.pointee.thread_limit
    state.pointee.thread_limit = max(0, min(n, Int64(SNN_MAX_THREADS)))
    return before
}
