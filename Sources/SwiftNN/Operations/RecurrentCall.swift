// What a call of a recurrent layer has to be, and the sizes that follow from it.
import CSwiftNN

/// A call whose arguments have been checked.
struct RecurrentCall<T: Element> {
    let name: StaticString
    let sizes: Recurrent
    /// (time, batch, features), (batch, time, features), or the rows of a packed sequence.
    let x: ArrayView<T>
    /// The input's shape as it was given.
    let given: Shape
    let unbatched: Bool, packed: Bool
    let h0: ArrayView<T>?
    let c0: ArrayView<T>?
    fileprivate let counts: Scratch<Int>?

    func release() { counts?.release() }

    var timeline: Timeline {
        Timeline(
            steps: sizes.steps, batch: sizes.batch, counts: counts.map { UnsafePointer($0.base) },
            starts: counts.map { UnsafePointer($0.base + sizes.steps) })
    }
    /// The shape of y.
    var shape: Shape {
        var shape = given
        shape[given.count - 1] = sizes.directions * sizes.out
        return shape
    }
    /// The shape of a state with so many features.
    func stateShape(_ features: Int) -> Shape {
        let states = sizes.layers * sizes.directions
        return unbatched ? Shape(states, features) : Shape(states, sizes.batch, features)
    }
    /// A state of any call, unbatched or not, as (layers * directions, batch, features).
    static func state(
        _ array: UnsafePointer<snn_array>?, _ argument: StaticString, _ name: StaticString, unbatched: Bool
    ) throws(Failure) -> ArrayView<T>? {
        let state = try optionalView(array, argument, name, T.self)
        if unbatched, let state, state.count == 2 { return state.inserting(at: 1) }
        return state
    }
}

/// Checks all arguments but the results.
func readRecurrent<T: Element>(_ a: snn_rnn_forward_args, _: T.Type) throws(Failure) -> RecurrentCall<T> {
    let name: StaticString = a.mode == Int64(SNN_LSTM) ? "LSTM" : a.mode == Int64(SNN_GRU) ? "GRU" : "RNN"
    guard a.mode >= 0 && a.mode <= Int64(SNN_GRU) else { throw Message("rnn: unknown mode").valueError }
    guard a.layers >= 1 && a.layers < 1 << 20 else { throw Message(name).text(": num_layers has to be at least 1").valueError }
    guard a.dropout >= 0 && a.dropout <= 1 else {
        throw Message(name).text(": dropout is ").number(a.dropout).text("; it has to be between 0 and 1").valueError
    }
    var s = Recurrent(
        mode: Int(a.mode), gates: a.mode == Int64(SNN_LSTM) ? 4 : a.mode == Int64(SNN_GRU) ? 3 : 1, layers: Int(a.layers),
        directions: a.bidirectional != 0 ? 2 : 1)
    var x = try view(a.x, "input", name, T.self)
    let packed = a.batch_sizes != nil
    guard x.count == 2 || (x.count == 3 && !packed) else {
        throw Message(name).text(": input has shape ").shape(x.shape).text(
            packed ? "; expected (rows, input_size) with batch_sizes" : "; expected 3 dimensions (time, batch, input_size) or 2, unbatched"
        ).shapeError
    }
    s.inputSize = x.shape[x.count - 1]
    let given = x.shape
    let unbatched = x.count == 2 && !packed
    if unbatched { x = x.inserting(at: a.batch_first != 0 ? 0 : 1) }
    let h0 = try RecurrentCall<T>.state(a.h0, "hx", name, unbatched: unbatched)
    let c0 = try RecurrentCall<T>.state(a.c0, "cx", name, unbatched: unbatched)
    try readWeights(a, &s, name, T.self)

    var counts: Scratch<Int>?
    do throws(Failure) {
        // Steps and rows
        if packed {
            let sizes = try indexView(a.batch_sizes, "batch_sizes", name)
            guard sizes.count == 1 else {
                throw Message(name).text(": batch_sizes has shape ").shape(sizes.shape).text("; expected one dimension").shapeError
            }
            s.steps = sizes.shape[0]
            let table = try Scratch<Int>(2 * s.steps)
            counts = table
            for t in 0..<s.steps {
                let n = Int(sizes.data[t * sizes.strides[0]])
                guard n >= 1 && n <= x.shape[0] && (t == 0 || n <= table.base[t - 1]) else {
                    throw Message(name).text(": batch_sizes has ").number(n).text(" at step ").number(t)
                        .text("; expected positive counts that do not grow").valueError
                }
                table.base[t] = n
                table.base[s.steps + t] = s.rows
                s.rows += n
            }
            s.batch = s.steps > 0 ? table.base[0] : (h0?.shape[1] ?? 0)
            guard s.rows == x.shape[0] else {
                throw Message(name).text(": input has ").number(x.shape[0]).text(" rows but batch_sizes add up to ").number(s.rows)
                    .shapeError
            }
        } else {
            s.steps = x.shape[a.batch_first != 0 ? 1 : 0]
            s.batch = x.shape[a.batch_first != 0 ? 0 : 1]
            s.rows = s.steps * s.batch
        }
        try require(h0, Shape(s.layers * s.directions, s.batch, s.out), "hx", name)
        try require(c0, Shape(s.layers * s.directions, s.batch, s.hidden), "cx", name)
    } catch {
        counts?.release()
        throw error
    }
    return RecurrentCall(
        name: name, sizes: s, x: x, given: given, unbatched: unbatched, packed: packed, h0: h0, c0: c0, counts: counts)
}

/// Checks every weight's shape; sets hidden and out from the first layer's.
private func readWeights<T: Element>(
    _ a: snn_rnn_forward_args, _ s: inout Recurrent, _ name: StaticString, _: T.Type
) throws(Failure) {
    guard a.weights_count == Int64(5 * s.layers * s.directions), let weights = a.weights else {
        throw Message(name).text(": ").number(Int(a.weights_count)).text(" weights; expected 5 for each of the ")
            .number(s.layers).text(" layers and ").number(s.directions).text(" directions").valueError
    }
    for index in 0..<(s.layers * s.directions) {
        let set = weights + 5 * index
        let hh = try view(set + 1, "weight_hh", name, T.self)
        let ih = try view(set, "weight_ih", name, T.self)
        let isProjected = (set + 4).pointee.ndim >= 0
        guard hh.count == 2 && ih.count == 2 else {
            throw Message(name).text(": weight_hh has shape ").shape(hh.shape).text("; expected two dimensions").shapeError
        }
        if index == 0 {
            s.hidden = hh.shape[0] / s.gates
            s.out = hh.shape[1]
            guard hh.shape[0] == s.gates * s.hidden && s.hidden > 0 && s.out > 0, isProjected == (s.out != s.hidden) else {
                throw Message(name).text(": weight_hh has shape ").shape(hh.shape).text("; expected (").number(s.gates)
                    .text(" * hidden_size, hidden_size or proj_size)").shapeError
            }
        }
        let inputSize = index < s.directions ? s.inputSize : s.directions * s.out
        if index < s.directions && ih.shape[1] != inputSize {
            throw Message(name).text(": input's last dimension is ").number(inputSize).text("; expected input_size = ")
                .number(ih.shape[1]).shapeError
        }
        try require(ih, Shape(s.gates * s.hidden, inputSize), "weight_ih", name)
        try require(hh, Shape(s.gates * s.hidden, s.out), "weight_hh", name)
        let hasBias = (set + 2).pointee.ndim >= 0
        guard hasBias == ((set + 3).pointee.ndim >= 0) else {
            throw Message(name).text(": bias_ih and bias_hh have to be both there or both absent").valueError
        }
        if hasBias {
            try require(try view(set + 2, "bias_ih", name, T.self), Shape(s.gates * s.hidden), "bias_ih", name)
            try require(try view(set + 3, "bias_hh", name, T.self), Shape(s.gates * s.hidden), "bias_hh", name)
        }
        if s.projected { try require(try view(set + 4, "weight_hr", name, T.self), Shape(s.out, s.hidden), "weight_hr", name) }
    }
}
