// How a long operation is stopped: the thread that called it asks its check function every tenth of a second, between tasks and in the loops
// of long ones. From then on tasks are skipped, the operation comes to its end with nonsense in its results, and says SNN_INTERRUPTED.
// So no code outside of a task may take what tasks have computed for an index, and nothing made by tasks is kept before `check`.
import CSwiftNN

enum Interrupt {
    /// Whether the tasks of the pool's job are to be skipped.
    nonisolated(unsafe) static var job: Int64 = 0
    private static var period: Int64 { 100_000_000 }

    static func begin() {
        let state = snn_thread_state_get().unsafelyUnwrapped
        if state.pointee.interrupt != nil && state.pointee.checking == 0 {
            state.pointee.interrupted = 0
            state.pointee.next_check = snn_coarse_time() &+ period
        }
    }

    /// Whether the operation that comes to its end was interrupted.
    static func end() -> Bool {
        let state = snn_thread_state_get().unsafelyUnwrapped
        if state.pointee.interrupted == 0 || state.pointee.checking != 0 { return false }
        state.pointee.interrupted = 0
        return true
    }

    /// Whether what is left of the operation should be skipped. Cheap enough for every task, and every few microseconds within long ones.
    @inline(__always)
    static func stops() -> Bool {
        let state = snn_thread_state_get().unsafelyUnwrapped
        if state.pointee.interrupt != nil { return asks(state, snn_coarse_time()) }
        return state.pointee.in_parallel != 0 && snn_relaxed_load(&job) != 0
    }

    @inline(never)
    fileprivate static func asks(_ state: UnsafeMutablePointer<snn_thread_state>, _ now: Int64) -> Bool {
        if state.pointee.interrupted != 0 { return true }
        if state.pointee.checking != 0 || now < state.pointee.next_check { return false }
        guard let check = state.pointee.interrupt else { return false }
        state.pointee.checking = 1
        var stop = check() != 0
        state.pointee.checking = 0
        // A fork within the check has stopped the job.
        if ThreadPool.isOwned(by: state) && snn_relaxed_load(&job) != 0 { stop = true }
        if !stop {
            state.pointee.next_check = snn_coarse_time() &+ period
            return false
        }
        state.pointee.interrupted = 1
        if state.pointee.in_parallel != 0 { snn_atomic_store(&job, 1) }
        return true
    }

    /// Ends an interrupted operation before it keeps or trusts what its tasks have computed.
    static func check() throws(Failure) {
        if stops() { throw Failure(status: snn_status(SNN_INTERRUPTED)) }
    }
}

/// `Interrupt.stops` between the tasks of a region, which may be as short as a row of numbers: then only some of them read the clock.
struct Pace {
    private let state: UnsafeMutablePointer<snn_thread_state>
    private var left = 1
    private var interval = 1
    private var last: Int64 = 0

    init(_ state: UnsafeMutablePointer<snn_thread_state>) { self.state = state }

    @inline(__always)
    mutating func stops() -> Bool {
        if state.pointee.interrupt == nil { return state.pointee.in_parallel != 0 && snn_relaxed_load(&Interrupt.job) != 0 }
        left &-= 1
        return left <= 0 && asks()
    }

    /// Twice as many tasks at a time as long as the clock stands still, which moves every few milliseconds.
    @inline(never)
    private mutating func asks() -> Bool {
        let now = snn_coarse_time()
        interval = now == last ? min(2 * interval, 64) : 1
        last = now
        left = interval
        return Interrupt.asks(state, now)
    }
}

@_cdecl("snn_set_interrupt") @implementation
public func snn_set_interrupt(_ check: snn_interrupt_check!) -> snn_interrupt_check! {
    let state = snn_thread_state_get().unsafelyUnwrapped
    let before = state.pointee.interrupt
    state.pointee.interrupt = check
    return before
}
