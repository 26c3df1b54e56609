// The derivatives of the recurrent layers' cells, vectors of units of one row after the other.
import CSwiftNN

@inline(never)
func recurrentBackward<T: Real>(_ argument: UnsafePointer<snn_recurrent_backward>, _: T.Type) {
    switch Int(argument.pointee.mode) {
    case Int(SNN_LSTM): lstmBackward(Cells<T>(argument))
    case Int(SNN_GRU): gruBackward(Cells<T>(argument))
    default: rnnBackward(Cells<T>(argument), relu: Int(argument.pointee.mode) == Int(SNN_RNN_RELU))
    }
}

/// A typed copy of snn_recurrent_backward. What a mode does not have is another of its pointers.
private struct Cells<T: Real> {
    let units, rows: Int
    let saved: UnsafePointer<T>, ldSaved: Int, gateStride: Int
    let before: UnsafePointer<T>, ldBefore: Int
    let dy: UnsafePointer<T>?, ldy: Int
    let dh: UnsafeMutablePointer<T>, ldh: Int
    let dc: UnsafeMutablePointer<T>, ldc: Int
    let dgates: UnsafeMutablePointer<T>, ldg: Int
    let dcandidate: UnsafeMutablePointer<T>, ldn: Int
    let full: UnsafeMutablePointer<T>?, ldFull: Int

    @inline(__always) init(_ argument: UnsafePointer<snn_recurrent_backward>) {
        let p = argument.pointee
        units = Int(p.units); rows = Int(p.rows)
        saved = p.saved.unsafelyUnwrapped.assumingMemoryBound(to: T.self); ldSaved = Int(p.ld_saved); gateStride = Int(p.gate_stride)
        before = p.before?.assumingMemoryBound(to: T.self) ?? saved; ldBefore = Int(p.ld_before)
        dy = p.dy?.assumingMemoryBound(to: T.self); ldy = Int(p.ldy)
        dh = p.dh.unsafelyUnwrapped.assumingMemoryBound(to: T.self); ldh = Int(p.ldh)
        dc = p.dc?.assumingMemoryBound(to: T.self) ?? dh; ldc = Int(p.ldc)
        dgates = p.dgates.unsafelyUnwrapped.assumingMemoryBound(to: T.self); ldg = Int(p.ldg)
        dcandidate = p.dcandidate?.assumingMemoryBound(to: T.self) ?? dgates; ldn = Int(p.ldn)
        full = p.full?.assumingMemoryBound(to: T.self); ldFull = Int(p.ld_full)
    }

    /// The gradient of a row's state after the step.
    @inline(__always) func gradient(_ row: Int, _ u: Int, _ rest: Int) -> T.Vector {
        let recurrent = T.Vector.load(dh + (row &* ldh &+ u))
        guard let dy else { return recurrent }
        return recurrent + .part(dy + (row &* ldy &+ u), rest)
    }
}

/// h' = tanh a: da = dh' (1 - h'^2); h' = max(a, 0): da = dh' where h' > 0.
@inline(__always)
private func rnnBackward<T: Real>(_ p: Cells<T>, relu: Bool) {
    typealias V = T.Vector
    for r in 0..<p.rows {
        let y = p.saved + r &* p.ldSaved, to = p.dgates + r &* p.ldg
        walk(p.units, V.self) { u, rest in
            let dh = p.gradient(r, u, rest)
            let h = V.part(y + u, rest)
            let da = relu ? V.select(V.less(.zero, h), dh, V.select(V.isNaN(h), dh, .zero)) : dh * .fma(-h, h, .one)
            da.put(to + u, rest)
        }
    }
}

/// c' = f c + i g, h' = o tanh c': the derivatives of the activations are those of sigmoid s: s (1 - s), of tanh t: 1 - t^2.
@inline(__always)
private func lstmBackward<T: Real>(_ p: Cells<T>) {
    typealias V = T.Vector
    let gs = p.gateStride
    for r in 0..<p.rows {
        let from = p.saved + r &* p.ldSaved, before = p.before + r &* p.ldBefore
        let to = p.dgates + r &* p.ldg, dc = p.dc + r &* p.ldc
        walk(p.units, V.self) { u, rest in
            let i = V.part(from + u, rest), f = V.part(from + (gs &+ u), rest)
            let g = V.part(from + (2 &* gs &+ u), rest), o = V.part(from + (3 &* gs &+ u), rest)
            let state = V.tanh(.part(from + (4 &* gs &+ u), rest))
            let dh = p.gradient(r, u, rest)
            let through = dh * o
            let d = .load(dc + u) + through * .fma(-state, state, .one)
            (d * f).store(dc + u)
            (d * g * (i * (.one - i))).put(to + u, rest)
            (d * .part(before + u, rest) * (f * (.one - f))).put(to + (gs &+ u), rest)
            (d * i * .fma(-g, g, .one)).put(to + (2 &* gs &+ u), rest)
            (dh * state * (o * (.one - o))).put(to + (3 &* gs &+ u), rest)
            if let full = p.full { (o * state).put(full + (r &* p.ldFull &+ u), rest) }
        }
    }
}

/// n = tanh(a + r b), h' = (1 - z) n + z h with b = W_hn h + b_hn.
@inline(__always)
private func gruBackward<T: Real>(_ p: Cells<T>) {
    typealias V = T.Vector
    let gs = p.gateStride
    for row in 0..<p.rows {
        let from = p.saved + row &* p.ldSaved, before = p.before + row &* p.ldBefore
        let to = p.dgates + row &* p.ldg, candidate = p.dcandidate + row &* p.ldn
        walk(p.units, V.self) { u, rest in
            let reset = V.part(from + u, rest), z = V.part(from + (gs &+ u), rest)
            let n = V.part(from + (2 &* gs &+ u), rest), b = V.part(from + (3 &* gs &+ u), rest)
            let dh = p.gradient(row, u, rest)
            let da = dh * (.one - z) * .fma(-n, n, .one)
            (dh * z).store(p.dh + (row &* p.ldh &+ u))
            (da * b * (reset * (.one - reset))).put(to + u, rest)
            (dh * (.part(before + u, rest) - n) * (z * (.one - z))).put(to + (gs &+ u), rest)
            (da * reset).put(to + (2 &* gs &+ u), rest)
            da.put(candidate + u, rest)
        }
    }
}
