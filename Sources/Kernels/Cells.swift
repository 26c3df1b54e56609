// The recurrent cells: gates and state of one row of H units from the projections of input (xp) and state (hp), biases included.
import CSwiftNN

@inline(never)
func cell<T: Real>(_ argument: UnsafePointer<snn_cell>, _: T.Type) {
    typealias V = T.Vector
    let p = argument.pointee
    let n = Int(p.n), stride = Int(p.gate)
    let xp = p.xp.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let hp = p.hp.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let out = p.h_out.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let mode = Int(p.mode)
    if mode == Int(SNN_RNN_TANH) {
        map2(xp, hp, out, n) { (x: V, h: V) in V.tanh(x + h) }
        return
    }
    if mode == Int(SNN_RNN_RELU) {
        map2(xp, hp, out, n) { (x: V, h: V) in V.max(x + h, .zero) }
        return
    }
    var i = 0
    while i < n {
        let rest = n &- i
        let whole = rest >= V.lanes
        @inline(__always) func at(_ p: UnsafePointer<T>, _ gate: Int) -> V {
            let q = p + (gate &* stride &+ i)
            return whole ? V.load(q) : withPadding(0, q, rest, V.self)
        }
        @inline(__always) func put(_ v: V, _ p: UnsafeMutablePointer<T>) {
            if whole { v.store(p + i) } else { storePartial(v, p + i, rest) }
        }
        if mode == Int(SNN_LSTM) {
            let previous = p.c.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
            let forget = V.sigmoid(at(xp, 1) + at(hp, 1))
            let input = V.sigmoidTimesTanh(at(xp, 0) + at(hp, 0), at(xp, 2) + at(hp, 2))
            let state = V.fma(forget, at(previous, 0), input)
            put(state, p.c_out.unsafelyUnwrapped.assumingMemoryBound(to: T.self))
            put(V.sigmoidTimesTanh(at(xp, 3) + at(hp, 3), state), out)
        } else {
            let previous = at(p.h.unsafelyUnwrapped.assumingMemoryBound(to: T.self), 0)
            let reset = V.sigmoid(at(xp, 0) + at(hp, 0))
            let update = V.sigmoid(at(xp, 1) + at(hp, 1))
            let candidate = V.tanh(V.fma(reset, at(hp, 2), at(xp, 2)))
            // (1 - z) n + z h
            put(V.fma(update, previous - candidate, candidate), out)
        }
        i &+= V.lanes
    }
}
