// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRoundVerifier} from "./IRoundVerifier.sol";

/// @title Verifier of the proofs of a round
/// @notice Checks everything about a statement and a proof that the generated verifiers take on
/// trust, and only then calls one of them: that of the round circuit, or that of all step circuits,
/// which is given the key of the circuit.
/// @dev
/// ```text
/// public inputs = digest / 2^128 | digest % 2^128 | parentRoot .. recordCount | samples of the statement
/// proof         = 20 commitments | evaluations | 2 opening points      (a point is x, y)
/// keys          = STOP | (circuit id | 37 words) of each step circuit  (code of a contract)
/// ```
contract RoundVerifier is IRoundVerifier {
    /// @dev First word of every statement.
    bytes32 private constant DOMAIN = keccak256("pogo/statement/v1");
    /// @dev Id of the SRS whose secret is public.
    bytes32 private constant DEVELOPMENT_SRS = 0x8863247140629479454b3087e83fc1c7ed253ba67fe56d056e37a87d0a0dd6f1;
    /// @dev The chain id of local development chains.
    uint256 private constant LOCAL_CHAIN = 31337;

    /// @dev Order of the scalar field of BN254.
    uint256 private constant R = 21888242871839275222246405745257275088548364400416034343698204186575808495617;
    /// @dev Order of the base field of BN254.
    uint256 private constant P = 21888242871839275222246405745257275088696311157297823662689037894645226208583;

    /// @dev Words of a claim, and which of them are field elements.
    uint256 private constant CLAIM_WORDS = 19;
    uint256 private constant FIRST_INPUT = 13;
    uint256 private constant DATA_ROOT = 9;

    /// @dev Where in calldata the parts start: selector, statement, offset, length, proof.
    uint256 private constant STATEMENT_START = 4;
    uint256 private constant INPUTS_START = STATEMENT_START + 32 * FIRST_INPUT;
    uint256 private constant SAMPLES_START = STATEMENT_START + 32 * CLAIM_WORDS;

    /// @dev Bytes of a proof before its evaluations, and behind them.
    uint256 private constant COMMITMENTS = 64 * 20;
    uint256 private constant OPENING = 64 * 2;
    /// @dev Bytes of the samples of a statement, and of the evaluations of a proof.
    uint256 private constant ROUND_SAMPLES = 32 * 5;
    uint256 private constant ROUND_EVALUATIONS = 32 * 44;
    uint256 private constant STEP_SAMPLES = 32 * 16;
    uint256 private constant STEP_EVALUATIONS = 32 * 43;
    /// @dev Bytes of a key.
    uint256 private constant KEY = 32 * 37;

    /// @dev Most gas that a generated verifier gets: what it takes and some.
    uint256 private constant GAS_CAP = 420_000;

    /// @notice The generated verifier of the round circuit.
    address public immutable roundVerifier;
    /// @notice The generated verifier of the step circuits.
    address public immutable stepVerifier;
    /// @notice The contract whose code is the keys of the step circuits.
    address public immutable stepKeys;
    /// @notice Id of the round circuit.
    bytes32 public immutable circuit;
    /// @notice Id of the SRS.
    bytes32 public immutable srs;

    /// @notice Where in `stepKeys` the key of a step circuit starts; 0 for no such circuit.
    mapping(bytes32 stepCircuit => uint256) public keyStart;

    /// @inheritdoc IRoundVerifier
    mapping(bytes32 digest => bool) public recorded;

    /// @param round The generated verifier of the round circuit, which names its circuit and SRS.
    /// @param step The generated verifier of the step circuits, which names its keys and SRS.
    /// @param keys The contract that holds the keys.
    constructor(address round, address step, address keys) {
        (roundVerifier, stepVerifier, stepKeys) = (round, step, keys);
        (circuit, srs) = _ids(round);
        (bytes32 keysHash, bytes32 stepSrs) = _ids(step);
        if (stepSrs != srs) revert OtherSrs(srs, stepSrs);
        if (keys.codehash != keysHash) revert OtherKeys(keysHash, keys.codehash);
        if (srs == DEVELOPMENT_SRS && block.chainid != LOCAL_CHAIN) revert DevelopmentSrs(block.chainid);
        for (uint256 start = 1; start < keys.code.length; start += 32 + KEY) {
            keyStart[bytes32(_code(keys, start, 32))] = start + 32;
        }
    }

    /// @inheritdoc IRoundVerifier
    function verify(Statement calldata statement, bytes calldata proof) external view returns (bool) {
        _verify(statement, proof);
        return true;
    }

    /// @inheritdoc IRoundVerifier
    function verify(StepStatement calldata statement, bytes calldata proof) external view returns (bool) {
        _verify(statement, proof);
        return true;
    }

    /// @inheritdoc IRoundVerifier
    function record(Statement calldata statement, bytes calldata proof) external returns (bytes32 digest) {
        digest = _verify(statement, proof);
        _record(digest, statement.claim);
    }

    /// @inheritdoc IRoundVerifier
    function record(StepStatement calldata statement, bytes calldata proof) external returns (bytes32 digest) {
        digest = _verify(statement, proof);
        _record(digest, statement.claim);
    }

    function _record(bytes32 digest, Claim calldata claim) private {
        if (recorded[digest]) revert AlreadyRecorded(digest);
        recorded[digest] = true;
        emit Verified(digest, claim.task, claim.miner, claim.round, claim.part);
    }

    function _verify(Statement calldata statement, bytes calldata proof) private view returns (bytes32 digest) {
        _checkLength(proof, ROUND_SAMPLES, ROUND_EVALUATIONS);
        bytes32 named = statement.claim.circuit;
        if (named != circuit) revert OtherCircuit(circuit, named);
        _checkDomain(statement.claim);
        digest = keccak256(abi.encode(DOMAIN, statement));
        _checkFields(ROUND_SAMPLES);
        _checkProof(proof);
        _call(roundVerifier, digest, ROUND_SAMPLES, proof, "");
    }

    function _verify(StepStatement calldata statement, bytes calldata proof) private view returns (bytes32 digest) {
        _checkLength(proof, STEP_SAMPLES, STEP_EVALUATIONS);
        bytes32 named = statement.claim.circuit;
        uint256 start = keyStart[named];
        if (start == 0) revert UnknownCircuit(named);
        _checkDomain(statement.claim);
        digest = keccak256(abi.encode(DOMAIN, statement));
        _checkFields(STEP_SAMPLES);
        _checkProof(proof);
        _call(stepVerifier, digest, STEP_SAMPLES, proof, _code(stepKeys, start, KEY));
    }

    /// @dev Calldata is the statement and the proof behind it, and nothing else.
    function _checkLength(bytes calldata proof, uint256 samples, uint256 evaluations) private pure {
        uint256 start = _start(proof);
        uint256 expected = SAMPLES_START + samples + 64;
        uint256 length = COMMITMENTS + evaluations + OPENING;
        if (msg.data.length != expected + length) revert InvalidLength(expected + length, msg.data.length);
        if (start != expected) revert InvalidOffset(expected, start);
        if (proof.length != length) revert InvalidLength(length, proof.length);
    }

    function _checkDomain(Claim calldata claim) private view {
        if (claim.srs != srs) revert OtherSrs(srs, claim.srs);
        if (claim.chainId != block.chainid) revert OtherChain(block.chainid, claim.chainId);
        if (claim.contractAddress != address(this)) revert OtherContract(address(this), claim.contractAddress);
    }

    /// @dev The data root is a field element although it is no public input: one encoding a claim.
    function _checkFields(uint256 samples) private pure {
        uint256 root = STATEMENT_START + 32 * DATA_ROOT;
        uint256 end = SAMPLES_START + samples;
        uint256 offset = _firstBadScalar(root, root + 32);
        if (offset == root + 32) offset = _firstBadScalar(INPUTS_START, end);
        if (offset != end) revert InvalidField((offset - STATEMENT_START) / 32);
    }

    function _checkProof(bytes calldata proof) private pure {
        uint256 start = _start(proof);
        uint256 evaluations = start + COMMITMENTS;
        uint256 end = start + proof.length;
        uint256 offset = _firstBadPoint(start, evaluations);
        if (offset == evaluations) offset = _firstBadPoint(end - OPENING, end);
        if (offset != end) revert InvalidPoint((offset - start) / 32);
        offset = _firstBadScalar(evaluations, end - OPENING);
        if (offset != end - OPENING) revert InvalidScalar((offset - start) / 32);
    }

    /// @dev Where in calldata the proof starts.
    function _start(bytes calldata proof) private pure returns (uint256 start) {
        assembly ("memory-safe") {
            start := proof.offset
        }
    }

    /// @dev Where in calldata the first word that is not below the scalar modulus lies, or `end`.
    function _firstBadScalar(uint256 start, uint256 end) private pure returns (uint256 offset) {
        assembly ("memory-safe") {
            for { offset := start } lt(offset, end) { offset := add(offset, 32) } {
                if iszero(lt(calldataload(offset), R)) { break }
            }
        }
    }

    /// @dev Where in calldata the first point that is not y^2 = x^3 + 3 lies, or `end`. The point at
    /// infinity, which the precompiles write as (0, 0), is not.
    function _firstBadPoint(uint256 start, uint256 end) private pure returns (uint256 offset) {
        assembly ("memory-safe") {
            for { offset := start } lt(offset, end) { offset := add(offset, 64) } {
                let x := calldataload(offset)
                let y := calldataload(add(offset, 32))
                let onCurve := eq(mulmod(y, y, P), addmod(mulmod(mulmod(x, x, P), x, P), 3, P))
                if iszero(and(and(lt(x, P), lt(y, P)), onCurve)) { break }
            }
        }
    }

    /// @dev Anything but the word 1 is an invalid proof: a revert, no code, another answer.
    function _call(address verifier, bytes32 digest, uint256 samples, bytes calldata proof, bytes memory key)
        private
        view
    {
        uint256 needed = GAS_CAP * 64 / 63 + 10_000;
        if (gasleft() < needed) revert InsufficientGas(needed, gasleft());
        bytes calldata inputs = msg.data[INPUTS_START:SAMPLES_START + samples];
        (uint256 high, uint256 low) = (uint256(digest) >> 128, uint256(uint128(uint256(digest))));
        bytes memory input = abi.encodePacked(high, low, inputs, proof, key);
        (bool success, bytes memory answer) = verifier.staticcall{gas: GAS_CAP}(input);
        if (!success || answer.length != 32 || uint256(bytes32(answer)) != 1) revert InvalidProof();
    }

    /// @dev What a generated verifier says of itself: of its circuit or keys, and of its SRS.
    function _ids(address generated) private view returns (bytes32, bytes32) {
        if (generated.code.length == 0) revert NoVerifier(generated);
        (bool success, bytes memory ids) = generated.staticcall("");
        if (!success || ids.length != 64) revert NoIds(generated);
        return abi.decode(ids, (bytes32, bytes32));
    }

    /// @dev Part of the code of a contract.
    function _code(address holder, uint256 start, uint256 length) private view returns (bytes memory part) {
        part = new bytes(length);
        assembly ("memory-safe") {
            extcodecopy(holder, add(part, 32), start, length)
        }
    }
}
