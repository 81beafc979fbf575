// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRoundVerifier} from "./IRoundVerifier.sol";

/// @title Verifier of round proofs
/// @notice Checks everything about a statement and a proof that the generated verifier takes on
/// trust, and only then calls it.
/// @dev
/// ```text
/// public inputs = digest / 2^128 | digest % 2^128 | parentRoot .. quantizes[1] of the statement
/// proof         = 20 commitments | 44 evaluations | 2 opening points      (a point is x, y)
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

    /// @dev Words of a statement, and from which one on they are public inputs.
    uint256 private constant STATEMENT_WORDS = 24;
    uint256 private constant FIRST_INPUT = 13;
    uint256 private constant DATA_ROOT = 9;

    /// @dev Where in calldata the parts start: selector, statement, offset, length, proof.
    uint256 private constant STATEMENT_START = 4;
    uint256 private constant INPUTS_START = STATEMENT_START + 32 * FIRST_INPUT;
    uint256 private constant INPUTS_END = STATEMENT_START + 32 * STATEMENT_WORDS;
    uint256 private constant PROOF_START = INPUTS_END + 32 * 2;
    uint256 private constant EVALUATIONS_START = PROOF_START + 64 * 20;
    uint256 private constant OPENING_START = EVALUATIONS_START + 32 * 44;
    uint256 private constant CALLDATA_LENGTH = OPENING_START + 64 * 2;
    uint256 private constant PROOF_LENGTH = CALLDATA_LENGTH - PROOF_START;

    /// @dev Most gas that the generated verifier gets: what it takes and some.
    uint256 private constant GAS_CAP = 420_000;

    /// @notice The generated verifier.
    address public immutable verifier;
    /// @notice Id of the circuit.
    bytes32 public immutable circuit;
    /// @notice Id of the SRS.
    bytes32 public immutable srs;

    /// @inheritdoc IRoundVerifier
    mapping(bytes32 digest => bool) public recorded;

    /// @param generated Address of the generated verifier, which names its circuit and SRS.
    constructor(address generated) {
        if (generated.code.length == 0) revert NoVerifier(generated);
        (bool success, bytes memory ids) = generated.staticcall("");
        if (!success || ids.length != 64) revert NoIds(generated);
        verifier = generated;
        (circuit, srs) = abi.decode(ids, (bytes32, bytes32));
        if (srs == DEVELOPMENT_SRS && block.chainid != LOCAL_CHAIN) revert DevelopmentSrs(block.chainid);
    }

    /// @inheritdoc IRoundVerifier
    function verify(Statement calldata statement, bytes calldata proof) external view returns (bool) {
        _verify(statement, proof);
        return true;
    }

    /// @inheritdoc IRoundVerifier
    function record(Statement calldata statement, bytes calldata proof) external returns (bytes32 digest) {
        digest = _verify(statement, proof);
        if (recorded[digest]) revert AlreadyRecorded(digest);
        recorded[digest] = true;
        emit Verified(digest, statement.task, statement.miner, statement.round, statement.part);
    }

    function _verify(Statement calldata statement, bytes calldata proof) private view returns (bytes32 digest) {
        _checkLength(proof);
        _checkDomain(statement);
        digest = keccak256(abi.encode(DOMAIN, statement));
        _checkFields();
        _checkProof();
        _call(digest);
    }

    function _checkLength(bytes calldata proof) private pure {
        uint256 start;
        assembly {
            start := proof.offset
        }
        if (msg.data.length != CALLDATA_LENGTH) revert InvalidLength(CALLDATA_LENGTH, msg.data.length);
        if (start != PROOF_START) revert InvalidOffset(PROOF_START, start);
        if (proof.length != PROOF_LENGTH) revert InvalidLength(PROOF_LENGTH, proof.length);
    }

    function _checkDomain(Statement calldata statement) private view {
        if (statement.circuit != circuit) revert OtherCircuit(circuit, statement.circuit);
        if (statement.srs != srs) revert OtherSrs(srs, statement.srs);
        if (statement.chainId != block.chainid) revert OtherChain(block.chainid, statement.chainId);
        if (statement.contractAddress != address(this)) revert OtherContract(address(this), statement.contractAddress);
    }

    /// @dev The data root is a field element although it is no public input: one encoding a claim.
    function _checkFields() private pure {
        uint256 root = STATEMENT_START + 32 * DATA_ROOT;
        uint256 offset = _firstBadScalar(root, root + 32);
        if (offset == root + 32) offset = _firstBadScalar(INPUTS_START, INPUTS_END);
        if (offset != INPUTS_END) revert InvalidField((offset - STATEMENT_START) / 32);
    }

    function _checkProof() private pure {
        uint256 offset = _firstBadPoint(PROOF_START, EVALUATIONS_START);
        if (offset == EVALUATIONS_START) offset = _firstBadPoint(OPENING_START, CALLDATA_LENGTH);
        if (offset != CALLDATA_LENGTH) revert InvalidPoint((offset - PROOF_START) / 32);
        offset = _firstBadScalar(EVALUATIONS_START, OPENING_START);
        if (offset != OPENING_START) revert InvalidScalar((offset - PROOF_START) / 32);
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
    function _call(bytes32 digest) private view {
        uint256 needed = GAS_CAP * 64 / 63 + 10_000;
        if (gasleft() < needed) revert InsufficientGas(needed, gasleft());
        bytes memory input = abi.encodePacked(
            uint256(digest) >> 128, uint256(uint128(uint256(digest))), msg.data[INPUTS_START:INPUTS_END], msg.data[PROOF_START:]
        );
        (bool success, bytes memory answer) = verifier.staticcall{gas: GAS_CAP}(input);
        if (!success || answer.length != 32 || uint256(bytes32(answer)) != 1) revert InvalidProof();
    }
}
